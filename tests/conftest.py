"""What every test gets: files of its own, empty caches, a queue in memory; the mark `database`, and the order of tests."""

import gc
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings
from xdist.scheduler import LoadScopeScheduling

from clfsite.celery import app as celery_app
from predictions.keys import service as keys
from predictions.log import group_commit
from predictions.monitoring import gauges
from predictions.serving import live_models
from tests.support import bucket as buckets
from tests.support.site import prepared as demo

PRIVATE_FOLDERS = ("datasets", "artifacts", "batches")


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark and order the tests.

    Those that talk to the database get the mark `database`, so that `-m database` runs them once more on PostgreSQL.
    Those of a case are found by its number, such as `-k J07`. Those that start a site take longest and come first.
    """
    for item in items:
        item.extra_keyword_matches.update(
            number for mark in item.iter_markers("case") for number in mark.args
        )
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"db", "transactional_db"} or item.get_closest_marker("django_db"):
            item.add_marker("database")
    yield
    items.sort(key=lambda item: item.get_closest_marker("site") is None)


class Sharing(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps tests that share a site or a cluster in one of pytest-xdist's processes, and hands out the others singly."""

    FOLDERS = ("tests/functional/browser/", "tests/functional/faults/")
    MODULES = (
        "tests/functional/",
        "tests/integration/training/runs/test_cluster.py",
        # shares a report, which takes a second to draw and one to set
        "tests/integration/predictions/report/test_report.py",
    )

    def _split_scope(self, nodeid: str) -> str:
        folder = next((each for each in self.FOLDERS if nodeid.startswith(each)), "")
        return folder or (nodeid.partition("::")[0] if nodeid.startswith(self.MODULES) else nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    return Sharing(config, log)


@pytest.fixture(scope="session", autouse=True)
def _one_demo_for_all_sites(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let the processes of this session copy the demo that one of them trains."""
    base = tmp_path_factory.getbasetemp()
    demo.folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Give each process a database of its own, SQLite's in a file: in memory, threads share one cache and get no busy timeout."""
    for connection in connections.all():
        if connection.vendor == "sqlite":
            folder = tmp_path_factory.mktemp("database")
            connection.settings_dict["TEST"]["NAME"] = str(folder / f"{connection.alias}.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Let go of connections that ended threads left behind, before PostgreSQL is asked to drop the database."""
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def _queue_in_memory() -> None:
    """No test talks to a broker, least of all to that of a site running beside it."""
    celery_app.conf.update(broker_url="memory://localhost/")


@pytest.fixture(autouse=True)
def _private_files(settings: Settings, tmp_path: Path) -> None:
    """Every test has folders of its own; the settings fixture tells Django's storages to forget the old ones."""
    storages: dict[str, Any] = {**settings.STORAGES}
    storages["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    for name in PRIVATE_FOLDERS:
        storages[name] = {**storages[name], "OPTIONS": {"location": tmp_path / "state" / name}}
    settings.STORAGES = storages
    settings.STATE_DIR = tmp_path / "state"
    settings.CLFSITE_WANDB_MODE = "disabled"
    # made to be slow, which a test need not wait for
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # WhiteNoise warns where nothing was collected yet
    settings.STATIC_ROOT = tmp_path


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """An S3 server of the test session."""
    with buckets.s3_server() as url:
        yield url


@pytest.fixture
def bucket(s3_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, _private_files: None) -> str:
    """The name of a bucket that holds what lies in folders otherwise."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    buckets.make_bucket(s3_url, name)
    for variable, value in buckets.CREDENTIALS.items():
        monkeypatch.setenv(variable, value)
    settings.STORAGES = buckets.in_bucket(s3_url, name, settings.STORAGES)
    return name


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    """Nothing that one test's requests loaded answers in the next."""
    yield
    group_commit.log.stop()
    keys.forget()
    live_models.models.forget()
    gauges.forget()
