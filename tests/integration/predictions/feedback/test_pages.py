"""Feedback in the portal: on a prediction's page, by the file, and as a filter of the log."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from predictions.models import Feedback, Prediction
from tests.support.factories import PredictionFactory, VersionFactory
from tests.support.portal import staff_client
from training.models import Version

pytestmark = pytest.mark.django_db

FEEDBACK = reverse("predictions:feedback-list")
LOG = reverse("predictions:prediction-list")


@pytest.fixture
def judge() -> Client:
    return staff_client("predictions.add_feedback", username="grace")


@pytest.fixture
def row() -> Version:
    """A version whose files nobody asks for."""
    return VersionFactory.create(classifier__name="churn")


def page_of(prediction: Prediction) -> str:
    return reverse("predictions:prediction-detail", args=[prediction.pk])


def tell(client: Client, prediction: Prediction, **data: str) -> Any:
    path = reverse("predictions:prediction-feedback", args=[prediction.pk])
    return client.post(path, data, follow=True)


def upload(client: Client, text: str, **data: str) -> Any:
    file = SimpleUploadedFile("truths.csv", text.encode(), "text/csv")
    return client.post(FEEDBACK, {"file": file, **data}, follow=True)


def test_the_truth_is_given_on_the_page_of_a_prediction(judge: Client, row: Version) -> None:
    prediction = PredictionFactory.create(version=row, label="yes")
    shown = judge.get(page_of(prediction)).content.decode()
    assert '<option value="no">no</option>' in shown
    shown = tell(judge, prediction, label="no").content.decode()
    assert "The true label was saved." in shown
    assert "the prediction was wrong" in shown
    assert "by grace (Form)" in shown
    feedback = Feedback.objects.get()
    assert (feedback.label, feedback.actor, feedback.source) == ("no", "grace", "form")


def test_a_truth_is_corrected_after_a_question_and_stays_on_record(judge: Client, row: Version) -> None:
    prediction = PredictionFactory.create(version=row, label="yes")
    tell(judge, prediction, label="no")
    shown = judge.get(page_of(prediction)).content.decode()
    assert 'data-confirm="Change the true label' in shown
    assert 'name="replace" value="True"' in shown
    shown = tell(judge, prediction, label="yes", replace="True").content.decode()
    assert "<s>no</s>" in shown
    assert "the prediction was correct" in shown


def test_who_did_not_see_the_truth_before_does_not_correct_it(judge: Client, row: Version) -> None:
    prediction = PredictionFactory.create(version=row)
    tell(judge, prediction, label="no")
    shown = tell(judge, prediction, label="yes").content.decode()
    assert "Nothing was stored" in shown
    assert "is already the true label" in shown
    assert Feedback.objects.get().label == "no"


@pytest.mark.parametrize("label", ["maybe", "", "a\0b"])
def test_a_label_that_is_not_in_the_list_is_refused(label: str, judge: Client, row: Version) -> None:
    shown = tell(judge, PredictionFactory.create(version=row), label=label).content.decode()
    assert "choose the true label from the list" in shown
    assert not Feedback.objects.exists()


def test_who_may_not_judge_sees_the_truth_and_no_form(judge: Client, row: Version) -> None:
    prediction = PredictionFactory.create(version=row)
    looker = staff_client()
    assert "No true label yet" in looker.get(page_of(prediction)).content.decode()
    tell(judge, prediction, label="no")
    shown = looker.get(page_of(prediction)).content.decode()
    assert "by grace" in shown
    assert "Change label" not in shown
    assert "Check and store" not in looker.get(FEEDBACK).content.decode()


def test_a_file_is_stored_and_live_accuracy_follows(judge: Client, row: Version) -> None:
    right, wrong = PredictionFactory.create_batch(2, version=row, label="yes")
    shown = upload(judge, f"id,label\n{right.pk},yes\n{wrong.pk},no\n").content.decode()
    assert "2 new, 0 corrected, 0 already saved." in shown
    assert "50.0" in shown
    assert set(Feedback.objects.values_list("source", flat=True)) == {"csv"}
    chosen = judge.get(FEEDBACK).context["chosen"]
    assert (chosen.version, chosen.confusion) == (row, [[0, 1], [0, 1]])


def test_the_faults_of_a_file_are_listed_by_line_and_column(judge: Client, row: Version) -> None:
    response = upload(judge, f"id,label\n1,no\n{PredictionFactory.create(version=row).pk},maybe\n")
    shown = response.content.decode()
    assert "2 of 2 rows were refused; nothing was stored" in shown
    assert 'data-label="Line">3' in shown
    assert "is not the id of a prediction" in shown
    assert not Feedback.objects.exists()


def test_corrections_by_the_file_are_asked_for(judge: Client, row: Version) -> None:
    prediction = PredictionFactory.create(version=row)
    tell(judge, prediction, label="no")
    text = f"id,label\n{prediction.pk},yes\n"
    assert "is already the true label" in upload(judge, text).content.decode()
    assert "0 new, 1 corrected" in upload(judge, text, replace="on").content.decode()


def test_of_several_versions_the_address_names_the_one_to_show(judge: Client, row: Version) -> None:
    other = VersionFactory.create(classifier=row.classifier)
    for version in (row, other):
        tell(judge, PredictionFactory.create(version=version), label="no")
    assert judge.get(FEEDBACK).context["chosen"].version == other
    assert judge.get(FEEDBACK, {"version": str(row.pk)}).context["chosen"].version == row
    assert judge.get(FEEDBACK, {"version": "a\0"}).status_code == 200


def test_without_feedback_the_page_says_where_it_comes_from() -> None:
    assert "No feedback yet" in staff_client().get(FEEDBACK).content.decode()


def test_the_log_is_filtered_by_feedback(judge: Client, row: Version) -> None:
    right, wrong, unknown = PredictionFactory.create_batch(3, version=row, label="yes")
    tell(judge, right, label="no")
    tell(judge, right, label="yes", replace="on")
    tell(judge, wrong, label="no")

    def search(wanted: str, **more: str) -> list[Prediction]:
        return list(judge.get(LOG, {"feedback": wanted, **more}).context["results"].rows)

    assert search("with") == [wrong, right]
    assert search("wrong") == [wrong]
    assert search("without") == [unknown]
    assert search("with", before=str(wrong.pk)) == [right]
    assert search("with", label="no") == []
    assert len(search("")) == 3


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("judged", [3, 2, 1]),
        ("-right", [2, 3, 1]),
        ("live", [1, 3, 2]),
        ("", [3, 2, 1]),
        ("version", [1, 2, 3]),
    ],
)
def test_versions_are_sorted_by_how_they_do(sort: str, order: list[int], judge: Client, row: Version) -> None:
    second = VersionFactory.create(classifier=row.classifier, number=2)
    third = VersionFactory.create(classifier=row.classifier, number=3)
    for version, labels in ((row, "nnnn"), (second, "yyn"), (third, "yn")):
        for label in labels:
            prediction = PredictionFactory.create(version=version, label="yes")
            tell(judge, prediction, label={"y": "yes", "n": "no"}[label])
    listed = judge.get(FEEDBACK, {"sort": sort}).context["qualities"]
    assert [item.version.number for item in listed] == order
