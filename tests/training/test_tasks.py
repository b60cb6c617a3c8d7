"""A worker's task: the run is carried out by a process of its own, and its death is written down."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection

from tests.factories import DatasetFactory, RunFactory, tiny
from training.ml.recipe import Recipe
from training.models import Run, Version
from training.tasks import train_run

ROOT = Path(__file__).resolve().parents[2]
LONG = Recipe(folds=3, space={"n_estimators": [2_000, 2_001, 2_002, 2_003]})

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Child processes use this test's database and folders."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = f"{os.environ['DATABASE_URL'].rsplit('/', 1)[0]}/{name}"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CLFSITE_STATE_DIR", str(tmp_path / "state"))


def test_run_is_carried_out_by_a_process_of_its_own() -> None:
    run = RunFactory.create()
    train_run(run.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == (Run.State.SUCCEEDED, "")
    assert Version.objects.get().golden == tiny().trained.golden


def test_second_message_for_a_run_changes_nothing() -> None:
    run = RunFactory.create(succeeded=True)
    before = Run.objects.values().get(pk=run.pk)
    train_run(run.pk)
    assert Run.objects.values().get(pk=run.pk) == before


def test_process_that_dies_fails_its_run_with_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFactory.create()
    monkeypatch.setenv("PORT", "a setting that stops the process")
    train_run(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert "exit status 1" in run.error


def test_process_that_is_told_to_end_fails_its_run_with_the_reason() -> None:
    run = RunFactory.create(dataset=DatasetFactory.create(), recipe_data=LONG.to_dict())
    child = subprocess.Popen([sys.executable, ROOT / "manage.py", "execute_run", str(run.pk)])
    try:
        deadline = time.monotonic() + 60
        while Run.objects.get(pk=run.pk).state != Run.State.RUNNING:
            assert time.monotonic() < deadline, "the run did not start"
            time.sleep(0.1)
        child.send_signal(signal.SIGTERM)
        child.wait(60)
    finally:
        child.kill()
        child.wait()
    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert "shut down" in run.error
