"""A site starts only on a schema that its release knows."""

import os

import pytest
from celery.signals import worker_init
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from clfsite.operations import schema
from tests.support.site import free_port

pytestmark = pytest.mark.django_db


class Started(Exception):
    """Stands for the web server that would have taken this process over."""


@pytest.fixture(autouse=True)
def _starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def execv(*_: object) -> None:
        raise Started

    monkeypatch.setattr(os, "execv", execv)
    # the test's own transaction lives on it
    monkeypatch.setattr(connection, "close", lambda: None)


def test_the_schema_of_this_release_is_neither_newer_nor_older() -> None:
    assert schema.newer() == schema.older() == ""


def test_a_database_from_before_the_squash_is_not_newer() -> None:
    recorder = MigrationRecorder(connection)
    for migration in MigrationLoader(None).disk_migrations.values():
        for name in migration.replaces:
            recorder.record_applied(*name)
    assert schema.newer() == ""


def test_a_server_and_a_worker_refuse_a_newer_schema() -> None:
    MigrationRecorder(connection).record_applied("predictions", "0999_from_the_future")
    words = r"newer than this release: it has predictions\.0999_from_the_future"
    with pytest.raises(CommandError, match=words):
        call_command("serve", "--no-worker", port=free_port())
    with pytest.raises(SystemExit, match=words):
        worker_init.send(sender=None)


def test_an_app_that_this_release_does_not_have_is_not_its_schema() -> None:
    MigrationRecorder(connection).record_applied("something_else", "0001_initial")
    assert schema.newer() == ""


def test_missing_migrations_are_said_at_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    MigrationRecorder(connection).record_unapplied("predictions", "0004_importers")
    with pytest.raises(Started):
        call_command("serve", "--no-worker", port=free_port())
    assert "lacks predictions.0004_importers; run manage.py migrate first" in capsys.readouterr().err
