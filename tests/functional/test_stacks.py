"""The same work on both stacks: SQLite with the filesystem broker, PostgreSQL with Redis."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from tests.support import services
from tests.support.servers import database, redis_server
from tests.support.site import KEY, ROOT, Site, demo_site, wait_for

pytestmark = pytest.mark.site


@pytest.fixture(scope="module", params=["embedded", "postgresql-redis"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state: Path = tmp_path_factory.mktemp("site")
    if request.param == "embedded":
        with demo_site(state) as site:
            site.serve()
            yield site
        return
    if "postgresql" in services.missing():
        pytest.skip(f"postgresql: {services.missing()['postgresql']}")
    with (
        database() as url,
        redis_server(tmp_path_factory.mktemp("redis")) as queue,
        # fitted by processes side by side, as on a machine that does nothing else
        demo_site(
            state, {"DATABASE_URL": url, "CELERY_BROKER_URL": queue.url, "LOKY_MAX_CPU_COUNT": "2"}
        ) as site,
    ):
        site.serve("--no-worker")
        site.start("-m", "celery", "-A", "clfsite", "worker", "--pool", "threads", "--loglevel", "info")
        yield site


@pytest.fixture(scope="module")
def trainer(site: Site) -> Iterator[httpx.Client]:
    scopes = [part for scope in ("train", "read", "activate", "predict") for part in ("--scope", scope)]
    with site.client(site.manage("createkey", "trainer", *scopes).strip()) as client:
        yield client


def test_the_example_of_info_is_answered_and_logged(site: Site, trainer: httpx.Client) -> None:
    with site.client() as caller:
        served = caller.get("/info").json()["classifiers"][0]
        answer = caller.post("/predict", json={"features": served["example"]})
    assert answer.status_code == httpx.codes.OK, answer.text
    logged = trainer.get(f"/api/predictions/{answer.json()['prediction_id']}").json()
    assert logged["features"] == served["example"]
    assert logged["label"] == answer.json()["label"]
    assert logged["caller"] == "demo"


def test_a_queued_run_is_trained_by_the_worker_and_its_version_answers(
    site: Site, trainer: httpx.Client
) -> None:
    table = (ROOT / "data" / "churn.csv").read_bytes().splitlines(keepends=True)[:401]
    dataset = trainer.post(
        "/api/datasets",
        data={"name": "small", "target": "churn"},
        files={"file": ("small.csv", b"".join(table))},
    ).json()
    run = trainer.post(
        "/api/runs",
        json={"dataset": dataset["id"], "space": {"n_estimators": [5, 10]}, "folds": 2, "activate": True},
    )
    assert run.status_code == httpx.codes.CREATED, run.text

    def finished() -> dict[str, object] | None:
        result: dict[str, object] = trainer.get(f"/api/runs/{run.json()['id']}").json()
        return result if result["state"] in {"succeeded", "failed"} else None

    over = wait_for(finished, "the run to end", 120)
    assert over["state"] == "succeeded", site.logs()
    assert over["fits_done"] == over["fits_total"] == 4
    example = wait_for(
        lambda: next(
            (one["example"] for one in trainer.get("/info").json()["classifiers"] if one["model"] == "small"),
            None,
        ),
        "the new version to be served",
        5,
    )
    answer = wait_for(
        lambda: (
            (result := trainer.post("/predict", json={"model": "small", "features": example})).is_success
            and result
        ),
        "the new version to answer",
        5,
    )
    assert answer.json()["version"] == over["version"]
    if "CELERY_BROKER_URL" in site.environment:
        # several sites may share a Redis
        own = f"clfsite:{(site.state / 'site').read_text().strip()}:"
        with redis.Redis.from_url(site.environ["CELERY_BROKER_URL"], decode_responses=True) as queue:
            assert all(key.startswith(own) for key in queue.scan_iter())


def exchange(site: Site, head: str, body: bytes = b"", *, leave: bool = False) -> bytes:
    """Send bytes as they stand, and return what comes back until the server ends the connection.

    Args:
        leave: send no more, as a caller does whose program ended, and still listen.
    """
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n" + body)
        if leave:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return answer


CALL = (
    f"POST /predict HTTP/1.1\nHost: 127.0.0.1\nAuthorization: Bearer {KEY}\nContent-Type: application/json\n"
)


def logged_predictions(trainer: httpx.Client) -> int:
    return len(trainer.get("/api/predictions", params={"page_size": 100}).json()["results"])


@pytest.mark.promise(8)
@pytest.mark.case("J01", "J34")
def test_a_body_that_is_longer_or_shorter_than_its_length_is_no_prediction(
    site: Site, trainer: httpx.Client
) -> None:
    with site.client() as caller:
        example = caller.get("/info").json()["classifiers"][0]["example"]
    body, before = json.dumps({"features": example}).encode(), logged_predictions(trainer)
    longer = exchange(site, f"{CALL}Content-Length: {len(body) - 1}\n", body)
    # the answer to the part, and that what follows is no request
    assert longer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"the body is not JSON" in longer
    assert b" 200 OK" not in longer
    shorter = exchange(site, f"{CALL}Content-Length: {len(body) + 5}\n", body, leave=True)
    assert b"the body ended before its Content-Length" in shorter
    for length in ("-1", "many", f"{len(body)}\nContent-Length: 3"):
        assert exchange(site, f"{CALL}Content-Length: {length}\n", body).startswith(b"HTTP/1.1 400 ")
    # an empty body, of no length and in chunks
    for more in ("", "Transfer-Encoding: chunked\n"):
        answer = exchange(site, f"{CALL}{more}Connection: close\n", b"0\r\n\r\n")
        assert b"HTTP/1.1 400 " in answer
    assert logged_predictions(trainer) == before
    assert exchange(site, f"{CALL}Connection: close\nContent-Length: {len(body)}\n", body).startswith(
        b"HTTP/1.1 200 OK"
    )


@pytest.mark.promise(8)
@pytest.mark.case("U01", "U02", "U03", "U23")
@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fmanage.py",
        "/static/../../manage.py",
        "/static/%2e%2e/%2e%2e/manage.py",
        "/static/..%5c..%5cmanage.py",
        "/static/%252e%252e%252fmanage.py",
        "/static/%c0%ae%c0%ae/%c0%ae%c0%ae/manage.py",
        "/static/%00",
        "/%00",
        "/api/datasets/file:///etc/passwd",
        "//evil.example/",
    ],
)
def test_an_address_leads_to_no_file(site: Site, path: str) -> None:
    answer = exchange(site, f"GET {path} HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n")
    assert answer.startswith(b"HTTP/1.1 404 "), answer
    refused = exchange(site, f"GET {path} HTTP/1.1\nHost: evil.example\nConnection: close\n")
    assert refused.split()[1] in {b"400", b"404"}
    assert b"evil.example" not in refused
    for content in (answer, refused):
        assert b"DJANGO_SETTINGS_MODULE" not in content
        assert b"root:" not in content


def test_metrics_count_what_was_answered(site: Site) -> None:
    token = (site.state / "metrics_token").read_text()
    text = httpx.get(
        f"{site.url}/metrics", headers={"Authorization": f"Bearer {token}"}, trust_env=False
    ).text
    assert 'clfsite_predictions_total{classifier="churn"' in text
    assert 'clfsite_active_version{classifier="churn"} 1.0' in text


def test_sigterm_ends_the_site_and_its_worker(tmp_path: Path) -> None:
    with demo_site(tmp_path) as site:
        site.serve()
        server = site.processes[0]
        server.terminate()
        assert server.wait(20) == 0, site.logs()
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{site.url}/health/live", trust_env=False)
