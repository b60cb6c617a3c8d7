"""The life of a run, and what the database itself holds together."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections
from django.utils import timezone

from tests.support.factories import (
    ActivationFactory,
    ClassifierFactory,
    DatasetFactory,
    RunFactory,
    VersionFactory,
)
from training.ml.progress import Progress
from training.models import Run

pytestmark = pytest.mark.dialect

CANDIDATES = [{"params": {"n_estimators": 5}, "mean": 0.9, "std": 0.1, "rank": 1, "seconds": 0.01}]


def running() -> Run:
    run = RunFactory.create()
    assert run.start()
    return run


def stored(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


@pytest.mark.django_db
def test_run_starts_once() -> None:
    run = RunFactory.create()
    first, second = stored(run), stored(run)
    assert first.start()
    assert not second.start()
    assert (stored(run).state, stored(run).claim) == (Run.State.RUNNING, first.claim)
    assert first.started_at is not None


@pytest.mark.django_db(transaction=True)
def test_run_starts_once_when_many_want_it() -> None:
    run = RunFactory.create()

    def start(_: int) -> bool:
        try:
            return stored(run).start()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(start, range(8))) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["running", "succeeded", "failed"])
def test_run_that_has_begun_does_not_start(state: str) -> None:
    run = RunFactory.create(**{state: True})
    assert not run.start()
    assert stored(run).state == state


@pytest.mark.django_db
def test_failed_run_keeps_its_reason_and_time() -> None:
    run = running()
    assert run.fail("out of memory")
    assert (run.state, run.error, run.is_over) == (Run.State.FAILED, "out of memory", True)
    assert stored(run).finished_at is not None


@pytest.mark.django_db
def test_run_that_never_began_can_fail() -> None:
    run = RunFactory.create()
    assert run.fail("the process could not be started")
    assert stored(run).state == Run.State.FAILED


@pytest.mark.django_db
def test_first_reason_stays() -> None:
    run = running()
    run.fail("out of memory")
    assert not stored(run).fail("exit status 1")
    assert stored(run).error == "out of memory"


@pytest.mark.django_db
def test_run_that_succeeded_cannot_fail() -> None:
    run = RunFactory.create(succeeded=True)
    assert not run.fail("too late")
    assert stored(run).state == Run.State.SUCCEEDED


@pytest.mark.django_db
def test_run_succeeds_with_its_candidates() -> None:
    run = running()
    assert run.succeed(CANDIDATES)
    assert (run.state, run.best_score, run.candidates) == (Run.State.SUCCEEDED, 0.9, CANDIDATES)
    assert (run.fits_done, run.percent) == (run.fits_total, 100)


@pytest.mark.django_db
def test_only_its_owner_ends_or_notes_a_run() -> None:
    run = RunFactory.create()
    owner, loser = stored(run), stored(run)
    owner.start()
    loser.start()
    assert not loser.succeed(CANDIDATES)
    assert not loser.fail("I lost")
    loser.note(Progress(3, 3, 0.5))
    assert (stored(run).state, stored(run).fits_done) == (Run.State.RUNNING, 0)
    assert owner.succeed(CANDIDATES)


@pytest.mark.django_db
def test_a_run_keeps_when_its_best_score_rose_and_begins_anew_with_each_attempt() -> None:
    run = running()
    for progress in (Progress(1, 9, None), Progress(2, 9, 0.5), Progress(4, 9, 0.5), Progress(6, 9, 0.7)):
        run.note(progress)
    assert [[done, best] for _, done, best in stored(run).history] == [[2, 0.5], [6, 0.7]]
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(minutes=5))
    later = stored(run)
    assert later.start()
    assert stored(run).history == []


@pytest.mark.django_db
def test_run_that_waits_cannot_succeed() -> None:
    run = RunFactory.create()
    assert not run.succeed(CANDIDATES)
    assert stored(run).state == Run.State.QUEUED


@pytest.mark.django_db
def test_run_shows_how_far_it_is() -> None:
    run = running()
    run.note(Progress(1, 3, 0.75))
    assert (stored(run).fits_done, stored(run).best_score, stored(run).percent) == (1, 0.75, 33)


@pytest.mark.django_db
def test_run_that_waits_has_no_time_yet() -> None:
    run = RunFactory.create(fits_total=0)
    assert (run.seconds, run.percent, run.is_over) == (None, 0, False)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values",
    [
        {"failed": True, "error": ""},
        {"running": True, "claim": None},
        {"succeeded": True, "finished_at": None},
        {"running": True, "finished_at": "2026-01-01T00:00:00Z"},
    ],
    ids=["failed without a reason", "running without an owner", "over without a time", "running with an end"],
)
def test_database_refuses_a_state_without_its_facts(values: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        RunFactory.create(**values)


@pytest.mark.django_db
def test_database_refuses_a_number_twice() -> None:
    version = VersionFactory.create()
    with pytest.raises(IntegrityError):
        VersionFactory.create(classifier=version.classifier, number=version.number)


@pytest.mark.django_db
def test_database_refuses_an_activation_number_twice() -> None:
    activation = ActivationFactory.create()
    with pytest.raises(IntegrityError):
        ActivationFactory.create(version=activation.version, number=activation.number)


@pytest.mark.django_db
def test_database_refuses_a_second_default_classifier() -> None:
    ClassifierFactory.create(is_default=True)
    with pytest.raises(IntegrityError):
        ClassifierFactory.create(is_default=True)


@pytest.mark.django_db
def test_database_refuses_the_same_content_twice_under_a_name() -> None:
    dataset = DatasetFactory.create()
    with pytest.raises(IntegrityError):
        DatasetFactory.create(name=dataset.name, number=2)


@pytest.mark.django_db
def test_activation_with_the_highest_number_is_in_force() -> None:
    classifier = ClassifierFactory.create()
    first, second = VersionFactory.create_batch(2, classifier=classifier)
    ActivationFactory.create(version=first, number=2)
    ActivationFactory.create(version=second, number=1)
    assert classifier.activation is not None
    assert (classifier.activation.version, first.is_active, second.is_active) == (first, True, False)


@pytest.mark.django_db
def test_classifier_without_an_activation_has_none_in_force() -> None:
    assert VersionFactory.create().classifier.activation is None


@pytest.mark.django_db
def test_rows_say_what_they_are() -> None:
    version = VersionFactory.create(classifier__name="churn")
    assert [str(version), str(version.classifier), str(version.run)] == [
        "churn v1",
        "churn",
        f"run {version.run.pk}",
    ]
    assert str(DatasetFactory.create(name="churn")) == "churn v1"
    assert str(ActivationFactory.create(version=version)).startswith("churn v1 since 20")
