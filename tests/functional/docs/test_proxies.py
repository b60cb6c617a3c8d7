"""nginx and HAProxy with the files of docker/ pass on calls, and answer health probes themselves or by the site."""

import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.functional.docs.conftest import HOST
from tests.functional.faults.conftest import example_of
from tests.support import services
from tests.support.site import KEY, ROOT, Site, free_port, wait_for

pytestmark = pytest.mark.site

NGINX = """
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/clfsite.conf;
}}
"""


@dataclass
class Proxy:
    """A running proxy with the site behind it."""

    http: int
    https: int
    certificate: Path

    def call(self, method: str, path: str, *, name: str = HOST, **options: object) -> httpx.Response:
        """Ask over HTTPS for a host name."""
        trust = ssl.create_default_context(cafile=str(self.certificate))
        with httpx.Client(verify=trust, trust_env=False) as client:
            request = client.build_request(
                method,
                f"https://127.0.0.1:{self.https}{path}",
                extensions={"sni_hostname": name},
                **options,  # type: ignore[arg-type]
            )
            request.headers["Host"] = name
            return client.send(request)

    def exchange(self, text: str) -> str:
        """Send lines over HTTP and return what comes back."""
        with socket.create_connection(("127.0.0.1", self.http), timeout=10) as connection:
            connection.sendall(text.replace("\n", "\r\n").encode() + b"\r\n")
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        return answer.decode()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a certificate of the host, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout privkey.pem"
    command += f" -out fullchain.pem -subj /CN={HOST} -addext subjectAltName=DNS:{HOST}"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    (folder / "clfsite.pem").write_text(
        (folder / "fullchain.pem").read_text() + (folder / "privkey.pem").read_text()
    )
    return folder


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def proxy(
    request: pytest.FixtureRequest, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    if why := services.missing().get(request.param):
        (pytest.fail if request.param in services.required() else pytest.skip)(why)
    folder: Path = tmp_path_factory.mktemp(request.param)
    certificates: Path = request.getfixturevalue("certificate")
    result = Proxy(free_port(), free_port(), certificates / "fullchain.pem")
    places = {
        "127.0.0.1:8000": f"127.0.0.1:{site.port}",
        "/etc/ssl/clfsite": str(certificates),
        "/etc/haproxy/clfsite.pem": str(certificates / "clfsite.pem"),
        "listen 80": f"listen 127.0.0.1:{result.http}",
        "listen 443": f"listen 127.0.0.1:{result.https}",
        "bind :80": f"bind 127.0.0.1:{result.http}",
        "bind :443": f"bind 127.0.0.1:{result.https}",
    }
    name = "clfsite.conf" if request.param == "nginx" else "haproxy.cfg"
    text = (ROOT / "docker" / request.param / name).read_text()
    for place, here in places.items():
        text = text.replace(place, here)
    # a machine may be without it
    text = re.sub(r"^ *listen \[::\]:.*\n", "", text, flags=re.MULTILINE)
    (folder / name).write_text(text)
    if request.param == "nginx":
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
        command = ["nginx", "-e", "stderr", "-c", str(folder / "nginx.conf")]
        checked = [*command, "-t"]
    else:
        command = ["haproxy", "-db", "-f", str(folder / name)]
        checked = [*command, "-c"]
    done = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower().replace("0 warnings", ""), done.stderr
    with running(command, result):
        yield result


@contextmanager
def running(command: list[str], proxy: Proxy) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(
            lambda: "200 OK" in proxy.exchange("GET /health/live HTTP/1.0\n") if listens(proxy) else False,
            "the proxy to answer",
            20,
        )
        yield
    finally:
        process.terminate()
        process.wait(20)


def listens(proxy: Proxy) -> bool:
    try:
        socket.create_connection(("127.0.0.1", proxy.http), timeout=5).close()
    except OSError:
        return False
    return True


def test_a_call_reaches_the_site_with_its_callers_address(proxy: Proxy, site: Site) -> None:
    body = {"features": example_of(site)}
    id_ = f"through-{proxy.http}"
    headers = {"Authorization": f"Bearer {KEY}", "X-Request-ID": id_, "X-Forwarded-For": "192.0.2.7"}
    answer = proxy.call("POST", "/predict", json=body, headers=headers)
    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.headers["X-Request-ID"] == id_

    def line() -> str:
        return next((line for line in site.logs().splitlines() if f'"{id_}"' in line), "")

    # not the one that the caller claims
    assert json.loads(wait_for(line, "the line of the call", 10))["address"] == "127.0.0.1"


def test_a_page_is_asked_for_over_https(proxy: Proxy) -> None:
    answer = proxy.exchange(f"GET /portal/?a=1 HTTP/1.1\nHost: {HOST}\nConnection: close\n")
    assert " 308 " in answer.splitlines()[0]
    assert f"location: https://{HOST}/portal/?a=1" in answer.lower()
    page = proxy.call("GET", "/accounts/login/")
    assert page.status_code == httpx.codes.OK
    assert "csrfmiddlewaretoken" in page.text


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/ping"])
def test_a_probe_by_address_is_answered_over_http(proxy: Proxy, path: str) -> None:
    for head in (f"GET {path} HTTP/1.0\n", f"GET {path} HTTP/1.1\nHost: 10.0.0.9\nConnection: close\n"):
        assert " 200 " in proxy.exchange(head).splitlines()[0]


def test_another_name_does_not_reach_the_site(proxy: Proxy) -> None:
    answer = proxy.exchange("GET /portal/ HTTP/1.1\nHost: evil.example.org\nConnection: close\n")
    assert " 421 " in answer.splitlines()[0]


def test_metrics_need_the_token_behind_a_proxy(proxy: Proxy, site: Site) -> None:
    assert proxy.call("GET", "/metrics").status_code == httpx.codes.UNAUTHORIZED
    token = (site.state / "metrics_token").read_text().strip()
    assert proxy.call("GET", "/metrics", headers={"Authorization": f"Bearer {token}"}).is_success
