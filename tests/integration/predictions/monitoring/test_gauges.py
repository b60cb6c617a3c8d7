"""What Prometheus is told of the database: true, cheap, and silent where the database is away."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries

from predictions.models import FeedbackCount
from predictions.monitoring import gauges
from predictions.monitoring.evaluation.models import LastEvaluation
from tests.support.factories import ActivationFactory, BatchFactory, RunFactory, VersionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]


def gauge_values() -> dict[tuple[str, str], float]:
    """Every sample by its name and the values of its labels."""
    gauges.forget()
    return {
        (sample.name, " ".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(gauges.exposition().decode())
        for sample in family.samples
    }


def test_an_active_version_comes_with_its_held_out_metrics() -> None:
    activation = ActivationFactory.create(version__classifier__name="churn", version__number=4)
    VersionFactory.create(classifier=activation.classifier)
    result = gauge_values()
    assert result["clfsite_active_version", "churn"] == 4
    assert result["clfsite_active_since_timestamp_seconds", "churn"] == activation.created_at.timestamp()
    for name, value in activation.version.metrics.items():
        assert result["clfsite_held_out_metric", f"churn {name} 4"] == pytest.approx(value)
    assert result["clfsite_versions", "churn"] == 2
    assert result["clfsite_database_up", ""] == 1


def test_live_accuracy_is_told_for_the_last_days_and_for_all_time() -> None:
    version = VersionFactory.create(classifier__name="churn", number=1)
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    for age, truth, predicted, count in ((1, 1, 1, 6), (1, 0, 1, 2), (30, 0, 0, 12)):
        FeedbackCount.objects.create(
            hour=now - timedelta(days=age),
            version=version,
            truth=truth,
            predicted=predicted,
            predictions=count,
        )
    result = gauge_values()
    assert result["clfsite_live_accuracy", "churn 1 7d"] == 0.75
    assert result["clfsite_judged_predictions", "churn 1 7d"] == 8
    assert result["clfsite_live_accuracy", "churn 1 all"] == 0.9


def test_jobs_are_told_by_state_with_the_progress_of_those_that_run() -> None:
    run = RunFactory.create(classifier__name="churn", running=True, fits_done=3, fits_total=9, best_score=0.8)
    ended = timezone.now()
    RunFactory.create(
        classifier__name="other", succeeded=True, started_at=ended - timedelta(seconds=90), finished_at=ended
    )
    RunFactory.create(created_at=ended - timedelta(minutes=5))
    BatchFactory.create(failed=True)
    result = gauge_values()
    assert result["clfsite_runs", "running"] == result["clfsite_runs", "queued"] == 1
    assert result["clfsite_runs", "failed"] == 0
    assert result["clfsite_batches", "failed"] == 1
    assert result["clfsite_run_fits_done", f"churn {run.pk}"] == 3
    assert result["clfsite_run_fits", f"churn {run.pk}"] == 9
    assert result["clfsite_run_best_score", f"churn {run.pk}"] == 0.8
    assert result["clfsite_run_duration_seconds", "other"] == pytest.approx(90)
    assert result["clfsite_runs_oldest_queued_seconds", ""] == pytest.approx(300, abs=20)
    assert result["clfsite_batches_oldest_queued_seconds", ""] == 0


def test_shifts_of_active_versions_are_those_that_a_worker_found() -> None:
    activation = ActivationFactory.create(version__classifier__name="churn", version__number=4)
    earlier = VersionFactory.create(classifier=activation.classifier, number=3)
    for version in (activation.version, earlier):
        LastEvaluation.objects.create(
            version=version,
            days=7,
            predictions=5_000,
            moved={"inputs": 2, "label_mix": 1, "probabilities": 0},
            shifts={"inputs": 0.31, "label_mix": 0.06, "probabilities": -0.001},
            estimated_accuracy=0.81,
            estimate_holds=True,
        )
    result = gauge_values()
    assert result["clfsite_moved", "churn inputs 4 7d"] == 2
    assert result["clfsite_moved", "churn label_mix 4 7d"] == 1
    assert result["clfsite_shift", "churn inputs 4 7d"] == 0.31
    assert result["clfsite_estimated_accuracy", "churn true 4 7d"] == 0.81
    assert not [labels for name, labels in result if name == "clfsite_shift" and " 3 " in labels]


def test_scrapes_within_a_few_seconds_share_a_few_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(5):
        ActivationFactory.create(version__classifier__name=f"classifier-{number}")
    gauges.forget()
    with django_assert_num_queries(18):
        first = gauges.exposition()
    with django_assert_num_queries(0):
        assert gauges.exposition() == first


def test_without_the_database_that_alone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Any:
        raise OperationalError("the server is away")

    monkeypatch.setattr(gauges, "_jobs", fails)
    assert gauge_values() == {("clfsite_database_up", ""): 0}
