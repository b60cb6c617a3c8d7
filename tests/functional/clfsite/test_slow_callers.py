"""Slow callers delay nobody, and those that send nothing, too slowly or only a part are disconnected."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest

from tests.support.site import KEY, PASSWORD, Site, demo_site

SECONDS = 2
PAUSE_SECONDS = 0.3
# more than a web process has threads
MANY = 20
# bodies from one address
MOST = 12
HEAD = (
    f"POST /predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
    "Content-Type: application/json\r\n"
).encode()
HEALTH = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
WITH_LENGTH = HEAD + b"Content-Length: 500\r\n\r\n"
IN_CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def hasty_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    limits = {
        "CLFSITE_HEADER_SECONDS": str(SECONDS),
        "CLFSITE_BODY_SECONDS": str(SECONDS),
        "CLFSITE_BODIES_PER_ADDRESS": str(MOST),
    }
    with demo_site(tmp_path_factory.mktemp("hasty"), limits) as site:
        site.serve("--no-worker")
        yield site


@pytest.mark.parametrize(
    ("first", "more", "answer"),
    [
        pytest.param(b"", b"", b"", id="nothing"),
        pytest.param(b"PRI * HTTP/2.0\r\n", b"", b"HTTP/1.1 400", id="another protocol"),
        pytest.param(HEAD[:30], b"", b"", id="half a header"),
        pytest.param(HEAD, b"X-More: 1\r\n", b"", id="one header after another"),
        pytest.param(HEALTH, b"", b"HTTP/1.1 200", id="no second request"),
        pytest.param(WITH_LENGTH, b"", b"HTTP/1.1 408", id="no body"),
        pytest.param(WITH_LENGTH, b" ", b"HTTP/1.1 408", id="one byte after another"),
        pytest.param(IN_CHUNKS, b"1\r\n \r\n", b"HTTP/1.1 408", id="one chunk after another"),
    ],
)
def test_slow_caller_is_disconnected(hasty_site: Site, first: bytes, more: bytes, answer: bytes) -> None:
    began, received = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", hasty_site.port)) as connection:
        connection.settimeout(PAUSE_SECONDS)
        connection.sendall(first)
        while time.monotonic() < began + 20:
            try:
                piece = connection.recv(4096)
            except TimeoutError:
                if more:
                    connection.sendall(more)
            except ConnectionResetError:
                break
            else:
                received += piece
                if not piece:
                    break
        else:
            pytest.fail(f"still connected after {SECONDS} s; received {received!r}")
    assert received.startswith(answer)
    assert bool(received) == bool(answer)
    if answer.endswith(b"408"):
        assert b"CLFSITE_BODY_SECONDS" in received


def test_address_sends_a_limited_number_of_bodies_at_a_time(hasty_site: Site) -> None:
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", hasty_site.port), 20))
            for _ in range(MANY)
        ]
        for connection in connections:
            connection.sendall(WITH_LENGTH)
        answers = [connection.recv(4096) for connection in connections]
    statuses = sorted(answer[9:12] for answer in answers)
    assert statuses == [b"408"] * MOST + [b"429"] * (MANY - MOST)
    refused = next(answer for answer in answers if answer[9:12] == b"429")
    assert b"127.0.0.1 is sending 12 bodies already (CLFSITE_BODIES_PER_ADDRESS)" in refused
    assert b"retry-after: 1" in refused


@pytest.mark.parametrize("who", ["stranger", "person"])
def test_many_slow_uploads_delay_no_other_call(hasty_site: Site, who: str) -> None:
    request = stranger(hasty_site) if who == "stranger" else person(hasty_site)
    with hasty_site.client() as caller, many(hasty_site, request):
        example = caller.get("/info").json()["classifiers"][0]["example"]
        for _ in range(3):
            assert httpx.get(f"{hasty_site.url}/accounts/login/", timeout=10, trust_env=False).is_success
            for path, body in (
                ("/predict", {"features": example}),
                ("/predict-batch", {"records": [example] * 1_000}),
            ):
                assert caller.post(path, json=body, timeout=10).is_success
            time.sleep(PAUSE_SECONDS)


@contextmanager
def many(site: Site, request: bytes) -> Iterator[None]:
    """Callers that have sent this, go on sending a byte now and then."""
    stopping = threading.Event()
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", site.port))) for _ in range(MANY)
        ]
        for connection in connections:
            connection.sendall(request)

        def drip() -> None:
            while not stopping.wait(PAUSE_SECONDS):
                for connection in connections:
                    with suppress(OSError):
                        connection.sendall(b"x")

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        time.sleep(PAUSE_SECONDS)
        yield
        stopping.set()
        dripping.join()


def stranger(site: Site) -> bytes:
    """An upload in a form that everyone gets, with its token, which Django looks for in the body."""
    with httpx.Client(base_url=site.url) as browser:
        return upload("/accounts/login/", f"csrftoken={token(browser)}")


def person(site: Site) -> bytes:
    """An upload of a person who is logged in."""
    with httpx.Client(base_url=site.url) as browser:
        fields = {"username": "demo", "password": PASSWORD, "csrfmiddlewaretoken": token(browser)}
        assert browser.post("/accounts/login/", data=fields).status_code == httpx.codes.FOUND
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return upload("/portal/batches", cookies)


def token(browser: httpx.Client) -> str:
    return str(browser.get("/accounts/login/").cookies["csrftoken"])


def upload(path: str, cookie: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Length: 50000000\r\n"
        "Content-Type: multipart/form-data; boundary=parts\r\n\r\n"
        '--parts\r\nContent-Disposition: form-data; name="file"; filename="rows.csv"\r\n\r\n'
    ).encode()
