"""Sets of labels in answers, and the queue of unsure predictions that people answer."""

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import reverse

from clfsite.core.errors import InvalidInput
from predictions.batches import downloads
from predictions.batches.models import Batch
from predictions.batches.service import create_batch, execute_batch, start_scoring
from predictions.models import Feedback, FeedbackCount, Prediction
from predictions.review import service
from predictions.serving import live_models
from tests.integration.conftest import Post
from tests.integration.predictions.protocols.tensors import INFER, tensors
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


def in_result(batch: Batch) -> list[list[str]]:
    """The sets of a result file."""
    text = downloads.answers(batch).getvalue().decode()
    return [json.loads(row["set"]) for row in csv.DictReader(io.StringIO(text, newline=""))]


def uploaded(records: list[dict[str, Any]], **options: Any) -> Batch:
    text = io.StringIO()
    writer = csv.DictWriter(text, records[0])
    writer.writeheader()
    writer.writerows(records)
    return create_batch(source=ContentFile(text.getvalue().encode()), caller="tests", **options)


@pytest.mark.parametrize("bound", [0.3, 0.7])
def test_every_door_gives_the_same_sets(unsure: Version, post: Post, bound: float) -> None:
    Version.objects.update(held_out={**unsure.held_out, "sets": {"0.9": [bound, bound]}})
    example = unsure.contract.example
    records = [{**example, "spend": spend, "tenure": 5} for spend in (0.5, 20.0, 50.0, 80.0, 99.0)]
    answers = post("/predict-batch", {"records": records}).json()["predictions"]
    sets = [answer["set"] for answer in answers]
    assert sets == [
        [label for label, share in answer["probabilities"].items() if share >= bound] for answer in answers
    ]
    asked = {"dataframe_records": records, "params": {"pyfunc_predict_fn": "predict_set"}}
    assert post("/invocations", asked).json()["predictions"] == sets
    of_classes = [[label in labels for label in unsure.contract.classes] for labels in sets]
    outputs = post(INFER, {"inputs": tensors(records)}).json()["outputs"]
    assert outputs[2] == {
        "name": "predict_set",
        "datatype": "BOOL",
        "shape": [5, 2],
        "data": [inside for row in of_classes for inside in row],
    }
    wanted = [{"name": "predict_set", "parameters": {"binary_data": True}}]
    response = post(INFER, {"inputs": tensors(records), "outputs": wanted})
    data = response.content[int(response.headers["Inference-Header-Content-Length"]) :]
    assert np.frombuffer(data, dtype=bool).reshape(5, 2).tolist() == of_classes
    batch = uploaded(records)
    execute_batch(batch)
    assert in_result(Batch.objects.get(pk=batch.pk)) == sets
    staff = staff_client("predictions.add_prediction")
    for record, labels in zip(records, sets, strict=True):
        fields = {f"feature-{name}": str(value).lower() for name, value in record.items()}
        shown = '<strong class="digest">' + ", ".join(labels) if labels else "Unlike the rows of every class"
        tried = staff.post(reverse("predictions:predict-what-if"), fields).content.decode()
        assert shown in tried
        assert shown in staff.post(reverse("predictions:predict"), fields, follow=True).content.decode()


def test_without_a_level_no_door_gives_sets(unsure: Version, post: Post, analyst: Client) -> None:
    example = unsure.contract.example
    held = uploaded([example], hold=True)
    execute_batch(held)
    Classifier.objects.update(set_level=0, review=False)
    live_models.live_models.forget()
    asked = {"dataframe_records": [example], "params": {"pyfunc_predict_fn": "predict_set"}}
    refusals = [post("/invocations", asked)]
    wanted = [{"name": "predict_set"}]
    refusals.append(post(INFER, {"inputs": tensors([example]), "outputs": wanted}))
    for refusal in refusals:
        assert refusal.status_code == 400
        assert "does not list the labels that cannot be excluded: choose a level" in refusal.content.decode()
    assert len(post(INFER, {"inputs": tensors([example])}).json()["outputs"]) == 2
    batch = uploaded([example])
    execute_batch(batch)
    assert b",set," not in downloads.answers(Batch.objects.get(pk=batch.pk)).getvalue()
    # the file that was checked before keeps its columns
    start_scoring(batch=Batch.objects.get(pk=held.pk), mode=held.mode)
    execute_batch(Batch.objects.get(pk=held.pk))
    assert len(in_result(Batch.objects.get(pk=held.pk))) == 1


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
