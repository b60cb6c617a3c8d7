"""Live accuracy per version: in the API, in the metrics, and from counts alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from predictions.feedback.service import give_feedback
from predictions.models import Feedback, Prediction
from predictions.monitoring import quality
from tests.integration.conftest import problem_of
from tests.support.factories import ActivationFactory, ApiKeyFactory, PredictionFactory, VersionFactory
from training.models import Version

pytestmark = pytest.mark.django_db


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


def test_metrics_show_live_accuracy(client: Client, judged: Version) -> None:
    text = client.get("/metrics").content.decode()
    assert 'clfsite_live_accuracy{classifier="churn",version="1",window="all"} 0.75' in text
    assert 'clfsite_judged_predictions{classifier="churn",version="1",window="all"} 4.0' in text


def test_metrics_without_feedback_name_no_version(client: Client, db: Any) -> None:
    assert "clfsite_live_accuracy{" not in client.get("/metrics").content.decode()
