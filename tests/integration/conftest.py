"""Each process has a database, each test has folders, empty caches and a queue of its own; and what many tests use."""

import gc
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.conf import settings as default_settings
from django.core.files.storage import storages
from django.core.management.commands import flush
from django.db import connections
from django.test import Client
from pytest_django import Settings

from clfsite.celery import app as celery_app
from clfsite.core.jobs import site
from predictions.keys import service as keys
from predictions.log.writing import group_commit
from predictions.monitoring import gauges, refusals
from predictions.serving import live_models
from tests.support import bucket as buckets
from tests.support.factories import ApiKeyFactory, tiny, trained_version
from training.models import Version

Post = Callable[..., Any]
SECRET = "clf_secret-of-the-fixture"
PRIVATE_FOLDERS = ("datasets", "artifacts", "batches")
KEPT = {"auth_permission", "django_content_type"}


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Give each process a database of its own, SQLite's in a file: in memory, threads share one cache and get no busy timeout."""
    for connection in connections.all():
        if connection.vendor == "sqlite":
            folder = tmp_path_factory.mktemp("database")
            connection.settings_dict["TEST"]["NAME"] = str(folder / f"{connection.alias}.sqlite3")
            options = connection.settings_dict["OPTIONS"]
            options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk() -> Iterator[None]:
    """What a test writes need not outlive a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Empty tables the quick way, and let go of connections that ended threads left behind before the database is dropped."""
    with pytest.MonkeyPatch.context() as patch:
        for connection in connections.all():
            patch.setattr(connection.ops, "sql_flush", partial(_rows_deleted, connection))
        patch.setattr(flush, "emit_post_migrate_signal", lambda *_: None)
        yield
    gc.collect()


def _rows_deleted(connection: Any, style: object, tables: list[str], **options: bool) -> list[str]:
    """What empties tables after a test that commits: PostgreSQL's TRUNCATE takes a second for as many, however empty.

    The permissions and the types that they belong to stay, as the code alone determines them: making them again took most
    of the time.
    """
    result = [f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables if table not in KEPT]  # noqa: S608
    return ["; ".join(result)] if connection.vendor == "postgresql" else result


@pytest.fixture(scope="session", autouse=True)
def _queue_in_memory() -> None:
    """No test talks to a broker, least of all to that of a site running beside it."""
    celery_app.conf.update(broker_url="memory://localhost/")


def in_folder(state: Path) -> dict[str, Any]:
    """The settings that keep what a site stores in this folder."""
    result: dict[str, Any] = {**default_settings.STORAGES}
    result["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    for name in PRIVATE_FOLDERS:
        result[name] = {**result[name], "OPTIONS": {"location": state / name}}
    return {"STORAGES": result, "STATE_DIR": state}


@pytest.fixture(autouse=True)
def _private_files(settings: Settings, tmp_path: Path) -> None:
    """Every test has folders of its own; the settings fixture tells Django's storages to forget the old ones."""
    for name, value in in_folder(tmp_path / "state").items():
        setattr(settings, name, value)
    settings.CLFSITE_WANDB_MODE = "disabled"
    # made to be slow, which a test need not wait for
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # WhiteNoise warns where nothing was collected yet
    settings.STATIC_ROOT = tmp_path


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    """Nothing that one test's requests loaded answers in the next."""
    yield
    group_commit.log.stop()
    keys.forget()
    site.key.cache_clear()
    live_models.live_models.forget()
    gauges.forget()
    refusals.forget()


@pytest.fixture
def bucket(s3_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, _private_files: None) -> str:
    """The name of a bucket that holds what lies in folders otherwise."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    buckets.make_bucket(s3_url, name)
    for variable, value in buckets.CREDENTIALS.items():
        monkeypatch.setenv(variable, value)
    settings.STORAGES = buckets.in_bucket(s3_url, name, settings.STORAGES)
    return name


@pytest.fixture
def version(db: None) -> Version:
    """The active version of the default classifier `churn`."""
    return trained_version(classifier="churn", activate=True, default=True)


@pytest.fixture
def example() -> dict[str, Any]:
    """A record that the contract accepts."""
    return tiny().contract.example


@pytest.fixture
def post(client: Client, db: None) -> Post:
    """Post a body, JSON where it is not bytes already, with a key that may do everything."""
    ApiKeyFactory.create(secret=SECRET, scopes=("predict", "read", "train", "activate"))

    def call(
        path: str, body: Any, *, key: str = SECRET, content_type: str = "application/json", **headers: str
    ) -> Any:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        if key:
            headers["authorization"] = f"Bearer {key}"
        return client.post(path, data, content_type=content_type, headers=headers)

    return call


def problem_of(response: Any, status: int) -> dict[str, Any]:
    """The problem document of a refusal, checked for its shape."""
    assert response.status_code == status, response.content[:500]
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = orjson.loads(response.content)
    assert set(body) == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == status
    return body


Messages = Callable[[], list[tuple[str, list[int]]]]
Files = Callable[[str], list[str]]


@pytest.fixture
def messages() -> Messages:
    """Take the messages that wait for a worker, as (task, arguments); what other tests sent is gone."""

    def take() -> list[tuple[str, list[int]]]:
        for thread in threading.enumerate():
            if thread.name.startswith("wake "):
                thread.join()
        result = []
        with celery_app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            while message := channel.basic_get("celery", no_ack=True):
                result.append((message.headers["task"], message.decode()[0]))
        return result

    # the queue is not there before something is sent
    celery_app.send_task("nothing")
    take()
    return take


@pytest.fixture
def files() -> Files:
    """Name every file of a storage, those half written too."""

    def names(storage: str) -> list[str]:
        folder = Path(storages[storage].path(""))
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    return names
