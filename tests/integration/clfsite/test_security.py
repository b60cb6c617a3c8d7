"""What a site that others can reach promises: no warning of Django's, closed origins, and errors that show nothing."""

import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import Settings

from predictions.keys import service as keys
from predictions.serving import live_models
from tests.support.factories import tiny, trained_version
from tests.support.rsgi import Answer, ask
from tests.support.site import ROOT

SHOP = "https://shop.example.org"
CORS = "corsheaders.middleware.CorsMiddleware"
PASSWORD = "correct-horse-battery-9"


def production(tmp_path: Path, **more: str) -> dict[str, str]:
    """An environment as docs/deployment.md asks for it."""
    kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "DEBUG"}}
    return {
        **kept,
        "CLFSITE_STATE_DIR": str(tmp_path),
        "SECRET_KEY": secrets.token_hex(32),
        "ALLOWED_HOSTS": "classify.example.org",
        "CSRF_TRUSTED_ORIGINS": "https://classify.example.org",
        "CLFSITE_HTTPS": "true",
        "CLFSITE_PROXIES": "1",
        **more,
    }


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_djangos_check_for_deployment_finds_nothing(tmp_path: Path) -> None:
    done = manage(
        production(tmp_path, CLFSITE_CORS_ORIGINS=SHOP), "check", "--deploy", "--fail-level", "WARNING"
    )
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_a_secret_from_an_example_stops_the_start(tmp_path: Path) -> None:
    done = manage(production(tmp_path, SECRET_KEY="change-me-" + "x1y2z3" * 8), "check")
    assert done.returncode != 0
    assert "SECRET_KEY holds 'change-me'" in done.stderr


def browser(path: str) -> Answer:
    """The answer to what a browser asks before it lets a page of the shop post there."""
    headers = {
        "origin": SHOP,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,idempotency-key",
    }
    return ask(path, method="OPTIONS", headers=headers)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/predict", "/invocations", "/v2/models/churn/infer", "/api/runs"])
def test_a_listed_origin_may_call_with_a_key_and_without_cookies(path: str, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP]
    settings.MIDDLEWARE = [CORS, *settings.MIDDLEWARE]
    settings.SERVING_MIDDLEWARE = [CORS, *settings.SERVING_MIDDLEWARE]
    answer = browser(path)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    settings.CORS_ALLOWED_ORIGINS = ["https://other.example.org"]
    assert "access-control-allow-origin" not in browser(path).headers


@pytest.mark.django_db
def test_pages_are_for_their_own_origin_even_where_others_are_listed(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP]
    settings.MIDDLEWARE = [CORS, *settings.MIDDLEWARE]
    assert "access-control-allow-origin" not in browser("/accounts/login/").headers


def test_without_listed_origins_nothing_looks_for_them(settings: Settings) -> None:
    assert CORS not in [*settings.MIDDLEWARE, *settings.SERVING_MIDDLEWARE]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "kind"), [("/portal/", "text/html"), ("/api/runs", "application/problem+json")]
)
def test_an_unexpected_error_shows_no_code_no_path_and_no_sql(
    path: str, kind: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any, **__: Any) -> Any:
        raise RuntimeError("SELECT secret FROM /srv/site")

    monkeypatch.setattr("django.contrib.auth.get_user", breaks)
    client.raise_request_exception = False
    response = client.get(path)
    assert response.status_code == 500
    assert response["Content-Type"].startswith(kind)
    for trace in (b"Traceback", b"RuntimeError", b"SELECT", b"/srv/site", b".py"):
        assert trace not in response.content


@pytest.mark.django_db
def test_neither_the_database_nor_the_log_holds_a_usable_key_or_password(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    trained_version(classifier="churn", activate=True, default=True)
    _, key = keys.create(name="caller", scopes=["predict"])
    User.objects.create_user("ada", password=PASSWORD, is_staff=True)
    body = {"features": tiny().contract.example}
    for given in (key, f"{key}x"):
        client.post(
            "/predict", body, content_type="application/json", headers={"authorization": f"Bearer {given}"}
        )
    for password in (PASSWORD, f"{PASSWORD}-mistyped"):
        client.post("/accounts/login/", {"username": "ada", "password": password})
    assert live_models.live_models.get().classifier == "churn"
    dump = "\n".join(map(repr, rows()))
    assert "churn" in dump
    assert "ada" in dump
    for secret in (key, PASSWORD):
        assert secret not in dump
        assert secret not in caplog.text


def rows() -> Iterable[tuple[Any, ...]]:
    """Every row of every table, as a dump has them."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
            yield from cursor.fetchall()
