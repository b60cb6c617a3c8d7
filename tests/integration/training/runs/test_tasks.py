"""A worker's task: a run is carried out by a process of its own, and whatever happens to it is written down."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from clfsite.core.jobs import worker as lifecycle
from clfsite.core.jobs.models import ATTEMPTS, LEASE, Heartbeat
from clfsite.core.storage import space
from tests.support.factories import RunFactory, tiny
from tests.support.site import wait_for
from training.ml.progress import Progress
from training.ml.search.recipe import Recipe
from training.models import Run, Version
from training.runs import supervisor
from training.tasks import train_run

ROOT = Path(__file__).resolve().parents[4]
# forests that share no fit: longer than any test here waits
LONG = Recipe(folds=3, space={"n_estimators": [900], "min_samples_leaf": list(range(1, 25))})

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.dialect]


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Child processes use this test's database and folders, and the worker goes on after the test."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = f"{os.environ['DATABASE_URL'].rsplit('/', 1)[0]}/{name}"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CLFSITE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.2)
    yield
    lifecycle.stopping.clear()


def supervised(run: Run) -> threading.Thread:
    """Carry out a run as a worker's thread does."""

    def work() -> None:
        try:
            train_run(run.pk)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def stored(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def is_running(run: Run) -> Callable[[], bool]:
    return lambda: stored(run).state == Run.State.RUNNING and bool(processes_of(run))


def processes_of(run: Run) -> list[str]:
    """Command lines of the processes that carry out a run, those they started among them."""
    result = subprocess.run(
        ["ps", "-ww", "-eo", "pgid,pid,args"], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.split(None, 2) for line in result.splitlines()[1:]]
    groups = {group for group, _, args in lines if f"execute_run {run.pk} {stored(run).claim}" in args}
    return [args for group, _, args in lines if group in groups]


def test_run_is_carried_out_by_a_process_of_its_own() -> None:
    run = RunFactory.create()
    train_run(run.pk)
    assert (stored(run).state, stored(run).error, stored(run).attempt) == (Run.State.SUCCEEDED, "", 1)
    assert Version.objects.get().golden == tiny().trained.golden


@pytest.mark.case("F14")
def test_same_message_five_times_makes_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "EACH", 5)
    run = RunFactory.create()
    threads = [supervised(run) for _ in range(5)]
    for thread in threads:
        thread.join()
    assert (stored(run).state, stored(run).attempt) == (Run.State.SUCCEEDED, 1)
    assert Version.objects.count() == 1


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_message_for_a_run_that_is_over_changes_nothing(state: str) -> None:
    run = RunFactory.create(**{state: True})
    before = Run.objects.values().get(pk=run.pk)
    train_run(run.pk)
    assert Run.objects.values().get(pk=run.pk) == before


def test_process_that_dies_fails_its_run_with_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFactory.create()
    monkeypatch.setenv("PORT", "a setting that stops the process")
    train_run(run.pk)
    assert stored(run).state == Run.State.FAILED
    assert "exit status 1" in stored(run).error


def test_process_that_is_killed_fails_its_run_and_the_worker_lives() -> None:
    run = RunFactory.create(recipe_data=LONG.to_dict())
    worker = supervised(run)
    wait_for(is_running(run), "the run to begin")
    subprocess.run(["pkill", "-KILL", "-f", f"execute_run {run.pk} "], check=True)
    worker.join(10)
    assert not worker.is_alive()
    assert stored(run).state == Run.State.FAILED
    assert "memory" in stored(run).error


@pytest.mark.case("F15")
def test_run_that_needs_more_memory_than_allowed_fails_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLFSITE_RUN_MEMORY_BYTES", str(2 * 1024**3))
    # a tree with a bound on its leaves makes room for all of them at once: 13 GB
    space = {"n_estimators": [1], "max_leaf_nodes": [10**8]}
    run = RunFactory.create(recipe_data=Recipe(folds=3, space=space).to_dict())
    train_run(run.pk)
    assert stored(run).state == Run.State.FAILED
    assert "memory" in stored(run).error
    assert not Version.objects.exists()


def test_cancelled_run_ends_within_five_seconds_with_no_process_left() -> None:
    run = RunFactory.create(recipe_data=LONG.to_dict())
    worker = supervised(run)
    wait_for(is_running(run), "the run to begin")
    assert stored(run).request_cancel()
    began = time.monotonic()
    worker.join(10)
    assert time.monotonic() - began < 5
    assert stored(run).state == Run.State.CANCELLED
    assert processes_of(run) == []


def test_run_that_waits_is_cancelled_at_once() -> None:
    run = RunFactory.create()
    assert run.request_cancel()
    train_run(run.pk)
    assert (stored(run).state, stored(run).attempt) == (Run.State.CANCELLED, 0)


@pytest.mark.case("F16")
def test_run_over_its_time_limit_fails_with_the_limit(settings: Any) -> None:
    settings.CLFSITE_RUN_MINUTES = 0.02
    run = RunFactory.create(recipe_data=LONG.to_dict())
    train_run(run.pk)
    assert stored(run).state == Run.State.FAILED
    assert "CLFSITE_RUN_MINUTES" in stored(run).error


def test_worker_that_is_told_to_end_gives_its_run_back() -> None:
    run = RunFactory.create(recipe_data=LONG.to_dict())
    worker = supervised(run)
    wait_for(is_running(run), "the run to begin")
    lifecycle.stopping.set()
    worker.join(10)
    assert (stored(run).state, stored(run).attempt) == (Run.State.QUEUED, 0)
    assert processes_of(run) == []


def test_process_ends_with_the_worker_that_started_it() -> None:
    run = RunFactory.create(recipe_data=LONG.to_dict())
    assert run.start()
    command = [sys.executable, str(ROOT / "manage.py"), "execute_run", str(run.pk), str(run.claim)]
    script = (
        f"import subprocess, time; subprocess.Popen({command!r}, start_new_session=True); time.sleep(600)"
    )
    worker = subprocess.Popen([sys.executable, "-c", script])
    try:
        wait_for(lambda: stored(run).fits_done, "the run to fit")
        assert processes_of(run)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    wait_for(lambda: not processes_of(run), "its processes to end", 10)


@pytest.mark.case("F15")
def test_run_whose_owner_is_lost_begins_anew_at_most_three_times() -> None:
    run = RunFactory.create()
    for attempt in range(1, ATTEMPTS + 1):
        assert run.start()
        assert stored(run).attempt == attempt
        assert not stored(run).start()
        Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert not stored(run).start()
    assert stored(run).state == Run.State.FAILED
    assert "3 attempts" in stored(run).error


def test_run_that_gets_further_with_each_lost_owner_is_not_given_up() -> None:
    run = RunFactory.create(fits_total=100)
    # an attempt that gets no further than one before counts, one that does begins the count again
    for fits in (0, 10, 10, 5, 11, 3, 11):
        assert run.start()
        run.note(Progress(fits, 100, 0.5))
        Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        run = stored(run)
    assert run.start()
    assert (run.attempt, run.attempts_without_progress) == (8, 3)
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert not stored(run).start()
    assert "3 attempts without progress" in stored(run).error
    assert stored(run).resume()
    assert stored(run).start()


def test_a_run_given_back_after_progress_has_no_attempt_less_than_none() -> None:
    run = RunFactory.create(fits_total=100)
    assert run.start()
    run.note(Progress(1, 100, 0.5))
    assert run.release()
    assert (run.attempt, run.attempts_without_progress) == (0, 0)


def test_run_waits_while_the_disk_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFactory.create()
    monkeypatch.setattr(space, "free_bytes", lambda: (space.LEAST_BYTES - 1, 10**9))
    train_run(run.pk)
    assert (stored(run).state, stored(run).attempt) == (Run.State.QUEUED, 0)


def test_owner_that_comes_back_too_late_changes_nothing() -> None:
    run = RunFactory.create()
    late = stored(run)
    assert late.start()
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert run.start()
    assert not late.renew()
    assert not late.fail("I was away")
    assert stored(run).state == Run.State.RUNNING


def test_owner_that_comes_back_to_a_run_given_back_to_the_queue_leaves_it_there() -> None:
    run = RunFactory.create()
    late = stored(run)
    assert late.start()
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert run.start()
    assert run.release()
    assert not late.fail("I was away")
    assert stored(run).state == Run.State.QUEUED
    assert stored(run).fail("there is no worker to wait for")


def test_sweeper_reminds_of_waiting_and_lost_runs_alone(
    messages: Callable[[], list[tuple[str, list[int]]]],
) -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    waiting = RunFactory.create(created_at=long_ago)
    lost = RunFactory.create(running=True, lease_until=long_ago)
    RunFactory.create(running=True, lease_until=timezone.now() + LEASE)
    RunFactory.create()
    RunFactory.create(failed=True)
    lifecycle.sweep()
    assert sorted(messages()) == [("training.tasks.train_run", [pk]) for pk in sorted([waiting.pk, lost.pk])]


def test_worker_is_heard_of_while_it_sweeps_and_forgotten_after_a_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifecycle, "SWEEP_SECONDS", 0.05)
    long_ago = timezone.now() - timedelta(days=2)
    Heartbeat.objects.create(worker="elsewhere:1", at=long_ago)
    assert not Heartbeat.objects.alive().exists()
    lifecycle.keep_sweeping()
    try:
        wait_for(lambda: not Heartbeat.objects.filter(worker="elsewhere:1").exists(), "the chores", 10)
        assert Heartbeat.objects.alive().get().worker.endswith(f":{os.getpid()}")
        Heartbeat.objects.update(at=long_ago)
        wait_for(Heartbeat.objects.alive().exists, "another beat", 10)
    finally:
        lifecycle.stopping.set()
        wait_for(lambda: "sweeper" not in {item.name for item in threading.enumerate()}, "the end", 10)
