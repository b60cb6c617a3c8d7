"""How many jobs of each kind one worker carries out at a time, and in which order."""

import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
from celery.signals import setup_logging
from django.db import connection
from django.utils import timezone

from clfsite import celery
from clfsite.core.jobs import worker
from clfsite.core.jobs.models import Heartbeat, clock_ahead
from predictions.batches.models import Batch
from predictions.monitoring import gauges
from tests.integration.conftest import Messages
from tests.support.factories import RunFactory
from training.models import Run
from training.tasks import train_run

TASK = str(train_run.name)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.dialect]


def test_each_job_leaves_its_state_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    run = RunFactory.create()
    with caplog.at_level("INFO", logger=worker.__name__):
        worker.carry_out(Run, run.pk, lambda pk: None)
    first, last = (record.getMessage() for record in caplog.records)
    assert first == f"run {run.pk}: taken"
    assert last.startswith(f"run {run.pk}: queued after 0.")


def test_a_wrong_clock_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        assert clock_ahead() == 0
        return
    assert abs(clock_ahead()) < 5
    ahead = timezone.now() + timedelta(hours=2)
    monkeypatch.setattr(timezone, "now", lambda: ahead)
    Heartbeat.objects.beat()
    assert Heartbeat.objects.alive().get().clock_ahead == pytest.approx(7_200, abs=60)
    assert b"clfsite_worker_clock_seconds 7" in gauges.exposition()


def test_workers_log_like_the_site() -> None:
    assert [receiver for receiver, _ in setup_logging.send(sender=None)] == [celery.log_like_the_site]


@contextmanager
def taken(model: type[Any], number: int = worker.EACH) -> Any:
    """Hold so many places of a kind."""
    over, began = Event(), []

    def work(pk: int) -> None:
        began.append(pk)
        over.wait(30)

    def hold() -> None:
        worker.carry_out(model, 0, work)
        connection.close()

    threads = [Thread(target=hold) for _ in range(number)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 10
    while len(began) < number and time.monotonic() < end:
        time.sleep(0.01)
    assert len(began) == number
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def seen(done: list[int], *others: int) -> Callable[[int], None]:
    """Work that notes and closes the run that it was given; some are another worker's by then."""

    def work(pk: int) -> None:
        done.append(pk)
        Run.objects.filter(pk=pk).update(
            state=Run.State.RUNNING if pk in others else Run.State.SUCCEEDED,
            claim=uuid.uuid4(),
            finished_at=None if pk in others else timezone.now(),
        )

    return work


def test_without_a_place_whoever_has_one_takes_the_job_when_its_own_is_over() -> None:
    run = RunFactory.create()
    done: list[int] = []
    over, began = Event(), Event()

    def work(pk: int) -> None:
        if pk == run.pk:
            seen(done)(pk)
            return
        began.set()
        over.wait(30)

    def hold() -> None:
        worker.carry_out(Run, 0, work)
        connection.close()

    with taken(Run, worker.EACH - 1):
        holder = Thread(target=hold)
        holder.start()
        assert began.wait(10)
        worker.carry_out(Run, run.pk, seen(done))
        assert not done
        over.set()
        holder.join()
    assert done == [run.pk]


def test_a_worker_without_a_place_rings_for_nothing(messages: Messages) -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    runs = RunFactory.create_batch(worker.EACH + 1, created_at=long_ago)
    with taken(Run):
        worker.sweep()
        assert messages() == []
    with taken(Run, worker.EACH - 1):
        worker.sweep()
    assert messages() == [(TASK, [runs[0].pk])]


def test_runs_in_all_their_places_hold_up_no_batch() -> None:
    done: list[int] = []
    with ExitStack() as stack:
        stack.enter_context(taken(Run))
        stack.enter_context(taken(Batch, worker.EACH - 1))
        worker.carry_out(Batch, 7, seen(done))
    assert done == [7]


def test_work_that_fails_gives_its_place_back() -> None:
    def fail(_: int) -> None:
        raise RuntimeError("as a test asked for it")

    for _ in range(worker.EACH + 1):
        with pytest.raises(RuntimeError):
            worker.carry_out(Run, 7, fail)


def test_what_was_asked_for_first_begins_first_and_the_others_follow() -> None:
    runs = RunFactory.create_batch(3)
    done: list[int] = []
    worker.carry_out(Run, runs[1].pk, seen(done))
    assert done == [run.pk for run in runs]


def test_the_job_of_the_message_is_done_where_another_worker_has_the_older_one() -> None:
    older, newer = RunFactory.create(), RunFactory.create()
    done: list[int] = []
    worker.carry_out(Run, newer.pk, seen(done, older.pk))
    assert done == [older.pk, newer.pk]


def test_a_job_that_comes_back_to_the_queue_is_not_taken_again_at_once() -> None:
    run = RunFactory.create()
    done: list[int] = []
    worker.carry_out(Run, run.pk, done.append)
    assert done == [run.pk]


def test_a_worker_that_ends_takes_no_other_job(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = RunFactory.create_batch(2)
    stopping = Event()
    stopping.set()
    monkeypatch.setattr(worker, "stopping", stopping)
    done: list[int] = []
    worker.carry_out(Run, runs[0].pk, done.append)
    assert done == [runs[0].pk]


def test_a_run_that_lost_its_owner_does_not_wait_for_later_ones() -> None:
    lost = RunFactory.create(running=True)
    later = RunFactory.create()
    done: list[int] = []
    worker.carry_out(Run, lost.pk, seen(done))
    assert done == [lost.pk, later.pk]


def test_long_work_goes_on_after_one_of_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def fails() -> None:
        done.append("fails")
        raise ValueError

    def works() -> None:
        done.append("works")
        if done.count("works") == 2:
            stopping.set()

    stopping = Event()
    monkeypatch.setattr(worker, "stopping", stopping)
    monkeypatch.setattr(worker, "_long_work", [fails, works])
    monkeypatch.setattr(worker, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(worker, "CHORE_SECONDS", 0.0)
    monkeypatch.setattr(worker, "close_old_connections", lambda: None)
    worker._keep_working()
    assert done == ["fails", "works"] * 2
