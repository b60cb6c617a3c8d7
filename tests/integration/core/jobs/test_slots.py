"""How many jobs of each kind one worker carries out at a time, and in which order."""

import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection

from clfsite.core.jobs import slots
from predictions.models import Batch
from tests.integration.conftest import Told
from tests.support.factories import RunFactory
from training.models import Run

TASK = "training.tasks.train_run"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.dialect]


@contextmanager
def taken(model: type[Any], number: int = slots.EACH) -> Any:
    """Hold so many places of a kind."""
    over, began = Event(), []

    def work(pk: int) -> bool:
        began.append(pk)
        return over.wait(30)

    def hold() -> None:
        slots.carry_out(model, 0, task="nothing", work=work)
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


def seen(done: list[int], *refused: int) -> Callable[[int], bool]:
    """Work that notes what it was given, and finds some of it claimed by others."""

    def work(pk: int) -> bool:
        done.append(pk)
        return pk not in refused

    return work


def test_without_a_place_the_message_is_sent_again(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "LATER_SECONDS", 0.01)
    done: list[int] = []
    with taken(Run):
        slots.carry_out(Run, 7, task=TASK, work=seen(done))
        time.sleep(0.3)
        assert told() == [(TASK, [7])]
        assert not done
    slots.carry_out(Run, 7, task=TASK, work=seen(done))
    assert done == [7]
    assert told() == []


def test_runs_in_all_their_places_hold_up_no_batch() -> None:
    done: list[int] = []
    with ExitStack() as stack:
        stack.enter_context(taken(Run))
        stack.enter_context(taken(Batch, slots.EACH - 1))
        slots.carry_out(Batch, 7, task="nothing", work=seen(done))
    assert done == [7]


def test_work_that_fails_gives_its_place_back() -> None:
    def fail(_: int) -> bool:
        raise RuntimeError("as a test asked for it")

    for _ in range(slots.EACH + 1):
        with pytest.raises(RuntimeError):
            slots.carry_out(Run, 7, task=TASK, work=fail)


def test_what_was_asked_for_first_begins_first() -> None:
    older, newer = RunFactory.create(), RunFactory.create()
    RunFactory.create()
    done: list[int] = []
    slots.carry_out(Run, newer.pk, task=TASK, work=seen(done))
    slots.carry_out(Run, older.pk, task=TASK, work=seen(done))
    assert done == [older.pk, older.pk]


def test_the_job_of_the_message_is_done_where_another_worker_has_the_older_one() -> None:
    older, newer = RunFactory.create(), RunFactory.create()
    done: list[int] = []
    slots.carry_out(Run, newer.pk, task=TASK, work=seen(done, older.pk))
    assert done == [older.pk, newer.pk]


def test_a_run_that_lost_its_owner_does_not_wait_for_later_ones() -> None:
    lost = RunFactory.create(running=True)
    RunFactory.create()
    done: list[int] = []
    slots.carry_out(Run, lost.pk, task=TASK, work=seen(done))
    assert done == [lost.pk]
