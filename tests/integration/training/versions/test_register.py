"""A version is its files and its row: when either cannot be written, neither is left."""

import errno
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import DatabaseError, transaction

from clfsite.core.errors import Conflict
from tests.integration.conftest import Files
from tests.support.factories import RunFactory, VersionFactory, tiny
from training.ml.trainer import Trained
from training.models import Run, Version
from training.versions.registry import register_version

PARTS = ("pipeline", "model", "preprocessor")
pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    """A run that this test has claimed."""
    run = RunFactory.create()
    assert run.start()
    return run


def register(run: Run, trained: Trained | None = None) -> Version:
    # what a failed statement leaves of the test's own transaction is rolled back
    with transaction.atomic():
        return register_version(run=run, trained=trained or tiny().trained)


def test_three_parts_are_written_under_the_run_and_its_claim(run: Run, files: Files) -> None:
    version = register(run)
    assert files("artifacts") == sorted(f"run-{run.pk}/{run.claim}/{part}.joblib" for part in PARTS)
    assert [entry["name"] for entry in version.artifacts.values()] == [
        f"run-{run.pk}/{run.claim}/{part}.joblib" for part in PARTS
    ]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.case("F23")
def test_file_that_cannot_be_written_leaves_no_row_and_no_file(run: Run, files: Files, part: str) -> None:
    # a folder stands where the file should go
    Path(storages["artifacts"].path(f"run-{run.pk}/{run.claim}/{part}.joblib")).mkdir(parents=True)
    with pytest.raises(OSError, match=part):
        register(run)
    assert not Version.objects.exists()
    assert files("artifacts") == []
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING


@pytest.mark.case("F23")
@pytest.mark.parametrize("time", [1, 2, 3])
@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "clfsite.core.storage.files._fsync_folder"])
def test_step_of_a_write_that_fails_leaves_no_row_and_no_file(
    call: str, time: int, run: Run, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, done = resolve_name(call), []

    def fails(*arguments: Any) -> Any:
        done.append(arguments)
        if len(done) == time:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr(call, fails)
        with pytest.raises(OSError, match="No space left"):
            register(run)
    assert len(done) >= time
    assert not Version.objects.exists()
    assert files("artifacts") == []
    assert register(run).number == 1


def test_file_of_another_attempt_is_never_overwritten(run: Run, files: Files) -> None:
    name = f"run-{run.pk}/00000000-0000-0000-0000-000000000000/pipeline.joblib"
    storages["artifacts"].save(name, ContentFile(b"of a crashed attempt"))
    register(run)
    assert len(files("artifacts")) == 4
    with storages["artifacts"].open(name) as file:
        assert file.read() == b"of a crashed attempt"


def has_version_already(run: Run) -> None:
    VersionFactory.create(run=run, classifier=run.classifier)


def was_ended(run: Run) -> None:
    Run.objects.get(pk=run.pk).fail("the worker was shut down")


def belongs_to_another(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(claim="00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize(
    ("spoil", "error"),
    [(has_version_already, DatabaseError), (was_ended, Conflict), (belongs_to_another, Conflict)],
    ids=["version exists", "run ended", "run taken over"],
)
@pytest.mark.case("F23")
def test_row_that_cannot_be_written_leaves_no_file(
    run: Run, files: Files, spoil: Callable[[Run], None], error: type[Exception]
) -> None:
    spoil(run)
    before = list(Version.objects.values()), list(Run.objects.values())
    with pytest.raises(error):
        register(run)
    assert files("artifacts") == []
    assert (list(Version.objects.values()), list(Run.objects.values())) == before


def test_figure_that_no_database_takes_leaves_no_file(run: Run, files: Files) -> None:
    spoiled = replace(tiny().trained, cross_validation={"roc_auc": {"mean": math.nan, "std": 0.0}})
    with pytest.raises(DatabaseError):
        register(run, spoiled)
    assert files("artifacts") == []
    assert not Version.objects.exists()


def test_second_registration_of_a_run_changes_nothing(run: Run, files: Files) -> None:
    version = register(run)
    kept = files("artifacts")
    with pytest.raises((DatabaseError, OSError)):
        register(run)
    assert Version.objects.get() == version
    assert files("artifacts") == kept
