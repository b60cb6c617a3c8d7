"""Health probes answer whoever asks by whatever name; everything else is for the site's own names and a known port."""

import os
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.test import Client
from pytest_django import Settings

from clfsite.core.errors import Conflict
from clfsite.rsgi import environ_of
from predictions.keys import service as keys
from tests.support import rsgi
from tests.support.factories import trained_version
from training.versions.registry import verify_version

pytestmark = pytest.mark.django_db(transaction=True)
PROBES = ["/health", "/health/live", "/health/ready", "/ping", "/v2/health/live", "/v2/health/ready"]
OTHERS = [
    "/info",
    "/predict",
    "/v2",
    "/v2/models/churn",
    "/version",
    "/metrics",
    "/api/runs",
    "/accounts/login/",
    "/",
]
HOSTS = ["10.1.2.3:8000", "evil.example.org", "", "[fe80::1]", "localhost:99999999"]


def ask(path: str, *, host: str | None, method: str = "GET") -> tuple[int, dict[str, str]]:
    """The status and headers of an answer of the site."""
    answer = rsgi.ask(path, method=method, headers={} if host is None else {"host": host})
    return answer.status, answer.headers


@pytest.mark.parametrize("path", PROBES)
def test_a_probe_is_answered_by_any_name_and_by_none(path: str) -> None:
    trained_version(classifier="churn", activate=True, default=True)
    for host in [*HOSTS, None]:
        for slash in ("", "/"):
            assert ask(f"{path}{slash}", host=host)[0] == 200, host


@pytest.mark.parametrize("path", OTHERS)
def test_everything_else_is_for_the_names_of_the_site(path: str) -> None:
    for host in HOSTS:
        assert ask(path, host=host)[0] == 400, host
    assert ask(path, host="localhost")[0] != 400


@pytest.mark.parametrize("port", ["99999999", "65536", "0", "9" * 5_000])
def test_a_port_that_there_is_not_is_refused(port: str) -> None:
    for path in ("/accounts/login/", "/info"):
        assert ask(path, host=f"localhost:{port}")[0] == 400
        assert ask(path, host="localhost:65535")[0] in {200, 401}


@pytest.mark.parametrize("path", [*PROBES, "/metrics"])
def test_a_probe_is_read_alone(path: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        status, headers = ask(path, host="localhost", method=method)
        assert status == 405, method
        assert "GET" in headers["allow"]
        assert not headers["content-type"].startswith("text/html")
        assert Client(enforce_csrf_checks=True).generic(method, path).status_code == 405


@pytest.mark.parametrize("path", [*PROBES, *OTHERS, "/nothing", "/portal/", "/api/schema", "/docs"])
def test_no_answer_leaves_its_type_to_guesses(path: str) -> None:
    for method in ("GET", "POST"):
        assert ask(path, host="localhost", method=method)[1]["x-content-type-options"] == "nosniff"
    assert ask("/predict", host="evil.example.org")[1]["x-content-type-options"] == "nosniff"


def test_a_call_with_a_session_and_no_token_is_told_so_in_json() -> None:
    response = Client(enforce_csrf_checks=True).post("/nothing")
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("made", ["pipe", "folder", "endless"])
def test_what_is_no_file_in_place_of_an_artifact_holds_nobody(made: str) -> None:
    version = trained_version(classifier="churn")
    path = Path(storages["artifacts"].path(version.artifacts["pipeline"]["name"]))
    path.unlink()
    if made == "pipe":
        os.mkfifo(path)
    elif made == "endless":
        with path.open("wb") as file:
            # more than any memory, and no space of the disk
            file.truncate(1 << 42)
    else:
        path.mkdir()
    with pytest.raises(Conflict):
        verify_version(version)


def test_metrics_are_closed_to_whoever_has_no_token(client: Client, settings: Settings) -> None:
    token = settings.CLFSITE_METRICS_TOKEN
    assert len(token) >= 32
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": "\xff"},
    ):
        response = client.get("/metrics", headers=headers)
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
    assert b"clfsite_runs" in client.get("/metrics", headers={"authorization": f"Bearer {token}"}).content


def test_metrics_are_open_to_this_machine_where_nothing_stands_in_front(
    client: Client, settings: Settings
) -> None:
    settings.CLFSITE_METRICS_OPEN = True
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 401
    for name in ("x-forwarded-for", "forwarded"):
        assert client.get("/metrics", headers={name: "127.0.0.1"}).status_code == 401


def test_no_key_opens_the_metrics(client: Client) -> None:
    _, key = keys.create(name="caller", scopes=["predict", "read"])
    assert client.get("/metrics", headers={"authorization": f"Bearer {key}"}).status_code == 401


def test_a_header_with_underscores_does_not_pass_for_that_of_a_proxy() -> None:
    scope, _ = rsgi.request("/info", headers={"x_forwarded_for": "10.9.9.9", "x-request-id": "a"})
    environ = environ_of(scope)
    assert "HTTP_X_FORWARDED_FOR" not in environ
    assert environ["HTTP_X_REQUEST_ID"] == "a"
