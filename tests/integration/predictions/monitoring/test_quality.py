"""Live accuracy per version: in the API, in the metrics, and from counts alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from predictions.feedback.service import give_feedback
from predictions.home import overview
from predictions.models import Feedback, FeedbackCount, Prediction
from predictions.monitoring import gauges, quality
from predictions.report import facts as report_facts
from predictions.report.chapters.monitoring import monitoring
from tests.integration.conftest import problem_of
from tests.support.factories import ActivationFactory, ApiKeyFactory, PredictionFactory, VersionFactory
from tests.support.portal import staff_client
from training.models import Version

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]


@pytest.fixture
def judged() -> Version:
    """Version 1 of churn with four judged predictions, three of them right, and an unjudged one."""
    version = VersionFactory.create(classifier__name="churn")
    ActivationFactory.create(version=version)
    answers = [("yes", "yes"), ("yes", "no"), ("no", "no"), ("no", "no")]
    for answer, truth in answers:
        judge(PredictionFactory.create(version=version, label=answer), truth)
    PredictionFactory.create(version=version)
    return version


@pytest.fixture
def reader(client: Client) -> Client:
    ApiKeyFactory.create(secret="clf_reader", scopes=("read",))
    return Client(headers={"authorization": "Bearer clf_reader"})


def judge(prediction: Prediction, label: str) -> None:
    give_feedback(
        prediction_id=prediction.pk, label=label, actor="tests", source=Feedback.Source.API, replace=True
    )


def test_the_api_tells_live_accuracy_and_confusion_of_every_version(reader: Client, judged: Version) -> None:
    second = VersionFactory.create(classifier=judged.classifier)
    body = reader.get("/api/classifiers/churn/live").json()
    assert body["model"] == "churn"
    assert body["versions"] == [
        {
            "version": 2,
            "active": False,
            "judged": 0,
            "correct": 0,
            "accuracy": None,
            "held_out_accuracy": second.metrics["accuracy"],
            "classes": ["no", "yes"],
            "confusion": [[0, 0], [0, 0]],
        },
        {
            "version": 1,
            "active": True,
            "judged": 4,
            "correct": 3,
            "accuracy": 0.75,
            "held_out_accuracy": judged.metrics["accuracy"],
            "classes": ["no", "yes"],
            "confusion": [[2, 1], [0, 1]],
        },
    ]


def test_live_quality_needs_a_classifier_and_the_scope(client: Client, reader: Client) -> None:
    problem_of(reader.get("/api/classifiers/nobody/live"), 404)
    problem_of(client.get("/api/classifiers/nobody/live"), 401)


def test_a_correction_changes_live_accuracy(reader: Client, judged: Version) -> None:
    wrong = Prediction.objects.get(label="yes", feedback__label="no")
    judge(wrong, "yes")
    assert reader.get("/api/classifiers/churn/live").json()["versions"][0]["accuracy"] == 1.0


def test_live_quality_is_read_without_the_log_and_the_feedback(reader: Client, judged: Version) -> None:
    with CaptureQueriesContext(connection) as queries:
        reader.get("/api/classifiers/churn/live")
    read = " ".join(query["sql"] for query in queries)
    assert '"predictions_prediction"' not in read
    assert '"predictions_feedback"' not in read


def test_quality_can_be_asked_since_a_moment(judged: Version) -> None:
    old = PredictionFactory.create(version=judged, created_at=timezone.now() - timedelta(days=2))
    judge(old, "yes")
    (lately,) = quality.of_versions([judged], since=timezone.now() - timedelta(hours=1))
    (ever,) = quality.of_versions([judged])
    assert (lately.judged, ever.judged) == (4, 5)


def test_metrics_show_live_accuracy(client: Client, judged: Version, settings: Settings) -> None:
    settings.CLFSITE_METRICS_OPEN = True
    text = client.get("/metrics").content.decode()
    assert 'clfsite_live_accuracy{classifier="churn",version="1",window="all"} 0.75' in text
    assert 'clfsite_judged_predictions{classifier="churn",version="1",window="all"} 4.0' in text


def test_metrics_without_feedback_name_no_version(client: Client, db: Any) -> None:
    assert "clfsite_live_accuracy{" not in client.get("/metrics").content.decode()


@pytest.mark.parametrize(
    ("held_out", "right", "of", "days_ago", "is_drop"),
    [
        (400, 40, 80, 3, True),
        (400, 78, 80, 3, False),
        (400, 20, 40, 3, False),
        (400, 40, 80, 40, False),
        (12, 40, 80, 3, False),
    ],
    ids=["dropped", "as at training", "too few", "long ago", "few held out"],
)
def test_pages_report_and_alert_agree_whether_accuracy_has_dropped(
    held_out: int, right: int, of: int, days_ago: int, is_drop: bool
) -> None:
    version = VersionFactory.create(classifier__name="churn")
    version.held_out["metrics"]["accuracy"] = 0.95
    version.held_out["rows"] = held_out
    version.save()
    ActivationFactory.create(version=version)
    PredictionFactory.create(version=version)
    hour = timezone.now() - timedelta(days=days_ago)
    for truth, count in ((1, right), (0, of - right)):
        FeedbackCount.objects.create(version=version, hour=hour, predicted=1, truth=truth, predictions=count)
    gauges.forget()
    (glance,) = overview.glances(timezone.now())
    assert glance.has_dropped is is_drop
    assert f'clfsite_live_accuracy_dropped{{classifier="churn",version="1"}} {float(is_drop)}' in (
        gauges.exposition().decode()
    )
    client = staff_client()
    assert ("Accuracy has dropped" in client.get("/portal/analytics").content.decode()) is is_drop
    assert (">dropped<" in client.get("/portal/feedback").content.decode()) is is_drop
    chapter = monitoring(report_facts.collect(version))
    assert ("Accuracy has dropped" in str(chapter.blocks)) is is_drop
