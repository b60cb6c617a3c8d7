"""`manage.py serve` refuses a database that may lose what it has confirmed."""

import os
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from clfsite.core.storage import database
from tests.support.factories import trained_version
from tests.support.site import free_port

pytestmark = pytest.mark.dialect


class Started(Exception):
    """Stands for the web server that would have taken this process over."""


@pytest.fixture(autouse=True)
def _starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def execv(*_: object) -> None:
        raise Started

    monkeypatch.setattr(os, "execv", execv)
    # the test's own transaction lives on it
    monkeypatch.setattr(connection, "close", lambda: None)


@pytest.mark.django_db
@pytest.mark.promise(12)
def test_unsafe_durability_is_refused_at_start_unless_it_is_asked_for(settings: Settings) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's settings are the site's own")
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    try:
        with pytest.raises(CommandError, match=r"synchronous_commit=off.*CLFSITE_UNSAFE_DATABASE"):
            call_command("serve", "--no-worker", port=free_port())
        settings.CLFSITE_UNSAFE_DATABASE = True
        with pytest.raises(Started):
            call_command("serve", "--no-worker", port=free_port())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET synchronous_commit")


@pytest.mark.django_db
def test_unsafe_durability_of_a_database_that_was_away_at_the_start_makes_the_site_unready(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_version(classifier="churn", activate=True, default=True)
    monkeypatch.setattr(database, "unsafe_settings", lambda: "PostgreSQL runs with fsync=off")
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert "fsync=off" in answer.json()["checks"]["database"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "unsafe"),
    [
        (("on", "on", "on", ""), ""),
        (("on", "on", "local", ""), ""),
        (("off", "on", "on", ""), "fsync=off"),
        (("on", "off", "on", ""), "full_page_writes=off"),
        (("off", "on", "off", ""), "fsync=off and synchronous_commit=off"),
        # Neon: its own disk does not count, a commit waits for other machines
        (("off", "on", "on", "walproposer"), ""),
        (("off", "on", "off", "walproposer"), "fsync=off and synchronous_commit=off"),
    ],
)
def test_settings_that_lose_commits_are_named(
    monkeypatch: pytest.MonkeyPatch, values: tuple[str, ...], unsafe: str
) -> None:
    class Cursor:
        def __enter__(self) -> "Cursor":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def execute(self, *_: Any) -> None:
            pass

        def fetchone(self) -> tuple[str, ...]:
            return values

    monkeypatch.setattr(connection, "vendor", "postgresql", raising=False)
    monkeypatch.setattr(connection, "cursor", Cursor)
    text = database.unsafe_settings()
    assert unsafe in text
    assert bool(text) == bool(unsafe)
