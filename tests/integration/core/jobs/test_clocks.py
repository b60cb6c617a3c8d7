"""Clocks that are wrong: a machine's that is two hours off, and the database's that is set back or forward."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from clfsite.core.jobs import worker
from clfsite.core.jobs.models import LEASE, Heartbeat
from tests.integration.conftest import Messages
from tests.support.factories import RunFactory
from training.models import Run
from training.tasks import TASK

OFF = timedelta(hours=2)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.dialect]


@pytest.fixture(params=[OFF, -OFF], ids=["fast", "slow"])
def off(request: pytest.FixtureRequest) -> timedelta:
    result: timedelta = request.param
    return result


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set this process's clock off by so much."""
    right = timezone.now

    def set_off(by: timedelta) -> None:
        def wrong() -> datetime:
            return right() + by

        monkeypatch.setattr(timezone, "now", wrong)

    return set_off


def begun(run: Run) -> Run:
    owner = Run.objects.get(pk=run.pk)
    assert owner.start()
    return owner


def database_clock_moved(by: timedelta) -> None:
    """What a database's clock that was set leaves behind: leases written by the clock before."""
    Run.objects.update(lease_until=F("lease_until") - by)


@pytest.mark.case("F25")
def test_a_run_of_a_machine_whose_clock_is_off_is_taken_from_nobody(clock: Any, off: timedelta) -> None:
    run = RunFactory.create()
    clock(off)
    owner = begun(run)
    clock(timedelta())
    assert not run.start()
    clock(off)
    assert owner.renew()
    clock(timedelta())
    assert not run.start()


@pytest.mark.case("F25")
def test_a_machine_whose_clock_is_off_takes_no_run_that_is_alive(clock: Any, off: timedelta) -> None:
    run = RunFactory.create()
    owner = begun(run)
    clock(off)
    assert not run.start()
    assert owner.renew()


@pytest.mark.case("F25")
def test_a_lost_run_of_a_machine_whose_clock_is_off_begins_anew_after_its_lease(
    clock: Any, off: timedelta
) -> None:
    run = RunFactory.create()
    clock(off)
    begun(run)
    clock(timedelta())
    database_clock_moved(LEASE + timedelta(seconds=1))
    assert run.start()


def test_a_database_whose_clock_is_set_back_keeps_no_lost_run_for_as_long(messages: Messages) -> None:
    run = RunFactory.create()
    owner = begun(run)
    database_clock_moved(-OFF)
    worker.sweep()
    assert messages() == [(TASK, [run.pk])]
    # an owner that lives is heard of within seconds, and keeps its run
    assert owner.renew()
    assert not run.start()
    database_clock_moved(-OFF)
    assert run.start()
    assert not owner.renew()


def test_a_database_whose_clock_is_set_forward_leaves_a_run_to_whoever_is_quicker() -> None:
    run = RunFactory.create()
    owner = begun(run)
    database_clock_moved(OFF)
    assert owner.renew()
    assert not run.start()
    database_clock_moved(OFF)
    assert run.start()
    assert not owner.renew()
    assert not owner.succeed([{"mean": 1.0}])


def test_a_run_asked_for_on_a_machine_whose_clock_is_fast_is_reminded_of(messages: Messages) -> None:
    run = RunFactory.create(created_at=timezone.now() + OFF)
    worker.sweep()
    assert messages() == [(TASK, [run.pk])]


@pytest.mark.case("F25")
def test_a_worker_whose_clock_is_off_is_heard_of(clock: Any, off: timedelta) -> None:
    clock(off)
    Heartbeat.objects.beat()
    assert Heartbeat.objects.alive().exists()
    clock(timedelta())
    assert Heartbeat.objects.alive().exists()
