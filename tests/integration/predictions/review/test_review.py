"""Sets of labels in answers, and the queue of unsure predictions that people answer."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clfsite.core.errors import InvalidInput
from predictions.models import Feedback, FeedbackCount, Prediction
from predictions.review import service
from predictions.serving import live_models
from tests.integration.conftest import Post
from tests.support.factories import PredictionFactory, trained_version
from tests.support.portal import staff_client
from training.classifiers.service import Changes, change_classifier
from training.models import Classifier, Version

LIST = reverse("predictions:review-list")


@pytest.fixture
def analyst(db: None) -> Client:
    return staff_client("predictions.add_feedback")


@pytest.fixture
def unsure(db: None) -> Version:
    """A version of a classifier that sends to review what may be either label: all of it, by these bounds."""
    version = trained_version(classifier="churn", activate=True, default=True)
    held_out = {**version.held_out, "sets": {"0.9": [0.3, 0.3]}}
    Version.objects.filter(pk=version.pk).update(held_out=held_out)
    Classifier.objects.update(set_level=0.9, review=True)
    return Version.objects.get(pk=version.pk)


def predicted(version: Version, yes: float, **values: Any) -> Prediction:
    shares = {"no": round(1 - yes, 3), "yes": yes}
    label = "yes" if yes >= 0.5 else "no"
    return PredictionFactory.create(
        version=version, label=label, probability=shares[label], probabilities=shares, **values
    )


def test_answers_have_sets_only_if_the_classifier_lists_them(
    unsure: Version, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_models, "CHECK_SECONDS", 0.0)
    answer = post("/predict", {"features": unsure.contract.example}).json()
    expected = [label for label, share in answer["probabilities"].items() if share >= 0.3]
    assert (answer["set"], answer["set_level"]) == (expected, 0.9)
    (row,) = post("/predict-batch", {"records": [unsure.contract.example]}).json()["predictions"]
    assert row["set"] == expected
    Classifier.objects.update(set_level=0, review=False)
    assert "set" not in post("/predict", {"features": unsure.contract.example}).json()


def test_the_queue_has_the_unsure_predictions_without_a_label(unsure: Version, analyst: Client) -> None:
    both, _ = (predicted(unsure, yes) for yes in (0.6, 0.8))
    rows = [row for row, _ in analyst.get(LIST).context["rows"]]
    assert [(row.prediction, row.labels) for row in rows] == [(both, ["no", "yes"])]


def test_an_answer_is_feedback_of_its_own_origin_and_not_part_of_accuracy(
    unsure: Version, analyst: Client
) -> None:
    prediction = predicted(unsure, 0.6)
    answer = reverse("predictions:review-answer", args=[prediction.pk])
    response = analyst.post(answer, {"label": "no"}, follow=True)
    given = Feedback.objects.get()
    assert (given.prediction, given.label, given.source, given.actor) == (prediction, "no", "review", "ada")
    assert not FeedbackCount.objects.exists()
    assert response.context["rows"] == []
    assert (response.context["given"], response.context["agreed"]) == (1, 0)
    # a correction by another way is counted, and takes nothing from what was not
    path = reverse("predictions:prediction-feedback", args=[prediction.pk])
    analyst.post(path, {"label": "yes", "replace": "True"})
    assert FeedbackCount.objects.get().predictions == 1


def test_without_a_classifier_to_review_the_page_says_how_to_begin(analyst: Client) -> None:
    assert "No classifier sends predictions here" in analyst.get(LIST).content.decode()
    assert analyst.get(LIST, {"before": "x"}).status_code == 404


def test_review_needs_a_level(unsure: Version) -> None:
    with pytest.raises(InvalidInput, match="review needs a level"):
        change_classifier(classifier=unsure.classifier, changes=Changes(set_level=0))
    change_classifier(classifier=unsure.classifier, changes=Changes(set_level=0, review=False))
    unsure.classifier.refresh_from_db()
    assert unsure.classifier.set_level == 0


def test_a_long_queue_goes_on_where_the_page_ends(
    unsure: Version, analyst: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "SHOWN", 2)
    first, second, third = (predicted(unsure, 0.6) for _ in range(3))
    context = analyst.get(LIST).context
    assert [row.prediction for row, _ in context["rows"]] == [third, second]
    later = analyst.get(LIST, {"classifier": "churn", "before": context["queue"].older}).context
    assert [row.prediction for row, _ in later["rows"]] == [first]
