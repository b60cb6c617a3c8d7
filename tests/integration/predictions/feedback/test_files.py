"""Feedback by the file: every bad row is named and none is stored, or all of it is."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from clfsite.core.errors import Conflict
from predictions.feedback import files as feedback_files
from predictions.feedback.files import import_feedback
from predictions.feedback.service import Change, give_feedback
from predictions.models import Feedback, FeedbackCount, Prediction
from tests.integration.conftest import problem_of
from tests.support.factories import ApiKeyFactory, PredictionFactory, VersionFactory, tiny
from training.models import Version

pytestmark = pytest.mark.django_db


@pytest.fixture
def row() -> Version:
    """A version whose files nobody asks for."""
    return VersionFactory.create()


@pytest.fixture
def upload(client: Client) -> Callable[..., Any]:
    """Hand in a file with a key that may."""
    ApiKeyFactory.create(name="billing", secret="clf_judge", scopes=("feedback",))
    headers = {"authorization": "Bearer clf_judge"}

    def call(content: bytes | str, **fields: Any) -> Any:
        data = content.encode() if isinstance(content, str) else content
        file = SimpleUploadedFile("truths.csv", data, "text/csv")
        return client.post("/api/feedback", {"file": file, **fields}, headers=headers)

    return call


def counts(created: int = 0, unchanged: int = 0, corrected: int = 0) -> dict[str, int]:
    return {"created": created, "unchanged": unchanged, "corrected": corrected}


def csv_of(predictions: list[Prediction], label: str = "no") -> str:
    return "id,label\n" + "".join(f"{prediction.pk},{label}\n" for prediction in predictions)


def test_a_file_of_truths_is_stored_and_counted(upload: Callable[..., Any], row: Version) -> None:
    predictions = PredictionFactory.create_batch(5, version=row)
    response = upload(csv_of(predictions))
    assert (response.status_code, response.json()) == (
        200,
        {**counts(created=5), "label_column": "label", "ignored_columns": [], "without_label": 0},
    )
    assert set(Feedback.objects.values_list("label", "actor", "source")) == {("no", "key billing", "api")}
    assert sum(FeedbackCount.objects.values_list("predictions", flat=True)) == 5


def test_a_class_that_our_files_mark_as_a_formula_is_taken_as_itself(upload: Callable[..., Any]) -> None:
    version = VersionFactory.create(
        contract_data={**tiny().contract.to_dict(), "classes": ["+", "-"], "positive": "+"}
    )
    predictions = PredictionFactory.create_batch(2, version=version, label="+")
    response = upload(f"id,label\n{predictions[0].pk},'-\n{predictions[1].pk},+\n")
    assert counts(created=2, unchanged=0, corrected=0).items() <= response.json().items()
    assert set(Feedback.objects.values_list("label", flat=True)) == {"-", "+"}


def test_a_file_handed_in_again_changes_nothing(upload: Callable[..., Any], row: Version) -> None:
    text = csv_of(PredictionFactory.create_batch(3, version=row))
    upload(text)
    assert counts(created=0, unchanged=3, corrected=0).items() <= upload(text).json().items()
    assert Feedback.objects.count() == 3


def test_other_labels_than_before_need_replace(upload: Callable[..., Any], row: Version) -> None:
    predictions = PredictionFactory.create_batch(2, version=row)
    upload(csv_of(predictions[:1]))
    body = problem_of(upload(csv_of(predictions, "yes")), 422)
    assert [(fault["line"], fault["column"]) for fault in body["errors"]] == [(2, "label")]
    assert '"no" is already the true label' in body["errors"][0]["message"]
    assert Feedback.objects.count() == 1
    changed = upload(csv_of(predictions, "yes"), replace="true").json()
    assert counts(created=1, corrected=1).items() <= changed.items()


def test_every_bad_row_is_named_and_nothing_is_stored(upload: Callable[..., Any], row: Version) -> None:
    good, twice, wrong = PredictionFactory.create_batch(3, version=row)
    unknown = uuid4()
    lines = [
        "id,label",
        f"{good.pk},no",
        "42,no",
        f"{twice.pk},yes",
        f"{twice.pk},yes",
        f"{unknown},no",
        f"{wrong.pk},perhaps",
        ",no",
    ]
    body = problem_of(upload("\n".join(lines)), 422)
    assert body["detail"] == "5 of 7 rows were refused; nothing was stored"
    assert [(fault["line"], fault["column"]) for fault in body["errors"]] == [
        (3, "id"),
        (5, "id"),
        (6, "id"),
        (7, "label"),
        (8, "id"),
    ]
    messages = [fault["message"] for fault in body["errors"]]
    assert messages[0] == '"42" is not the id of a prediction'
    assert messages[1] == "duplicate prediction; it is already in line 4"
    assert str(unknown) in messages[2]
    assert 'expected "no", "yes"' in messages[3]
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"id,label\n", "no rows"),
        (b"prediction_id,label,probability\n1,no,0.5\n", "a result of the site with a column truth"),
        (b"id\n1\n", "expected id and label"),
        (b"id,id\n1,2\n", "header is invalid"),
        (b"id,label\n1,no,2\n", "differ in length"),
        (b'id,label\n"1,no\n', "not closed"),
        (b"id,label\n1,n\0\n", "not text"),
        (b"PK\x03\x04zip", "workbook cannot"),
    ],
)
def test_what_is_no_table_of_truths_says_what_it_is(
    content: bytes, words: str, upload: Callable[..., Any]
) -> None:
    assert words in problem_of(upload(content), 422)["detail"]


@pytest.mark.parametrize("name", ["truth", "true_label", "actual", "left"])
def test_a_result_with_a_column_of_truths_is_taken_and_other_columns_are_told(
    name: str, upload: Callable[..., Any], row: Version
) -> None:
    one, two = PredictionFactory.create_batch(2, version=row, label="yes")
    rows = f"{one.pk};yes;0.9;no;A-7\n{two.pk};yes;0.8;;A-8\n"
    body = upload(f"prediction_id;label;probability;{name};order_no\n{rows}").json()
    assert body == {
        **counts(created=1),
        "label_column": name,
        "ignored_columns": ["label", "probability", "order_no"],
        "without_label": 1,
    }
    assert Feedback.objects.get().label == "no"


def test_a_request_without_a_file_names_the_field(client: Client, upload: Callable[..., Any]) -> None:
    headers = {"authorization": "Bearer clf_judge"}
    body = problem_of(client.post("/api/feedback", {}, headers=headers), 422)
    assert body["errors"][0]["field"] == "file"
    problem_of(client.post("/api/feedback", {"label": "no"}, "application/json", headers=headers), 415)
    problem_of(client.get("/api/feedback", headers=headers), 405)


def test_other_delimiters_orders_and_a_byte_order_mark_are_read(
    upload: Callable[..., Any], row: Version
) -> None:
    prediction = PredictionFactory.create(version=row)
    assert upload(f"\ufefflabel;id\r\nno; {str(prediction.pk).upper()} \r\n").json()["created"] == 1


def test_a_file_over_the_limits_is_refused(
    upload: Callable[..., Any], row: Version, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = csv_of(PredictionFactory.create_batch(3, version=row))
    monkeypatch.setattr(feedback_files, "MAX_ROWS", 2)
    assert "more than 2 rows" in problem_of(upload(text), 413)["detail"]
    settings.CLFSITE_UPLOAD_BYTES = 10
    assert "CLFSITE_UPLOAD_BYTES" in problem_of(upload(text), 413)["detail"]
    assert not Feedback.objects.exists()


def test_of_very_many_bad_rows_the_first_are_listed(
    upload: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback_files, "MAX_PROBLEMS", 7)
    monkeypatch.setattr(feedback_files, "PIECE", 5)
    body = problem_of(upload("id,label\n" + "x,no\n" * 23), 422)
    assert body["detail"] == "23 of 23 rows were refused (the first 7 are listed); nothing was stored"
    assert [fault["line"] for fault in body["errors"]] == [2, 3, 4, 5, 6, 7, 8]


def test_who_judges_otherwise_while_a_file_is_stored_keeps_the_row(
    row: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions = PredictionFactory.create_batch(4, version=row)
    monkeypatch.setattr(feedback_files, "PIECE", 2)
    check = feedback_files._check

    def check_and_be_overtaken(*arguments: Any) -> None:
        check(*arguments)
        source = Feedback.Source.API
        give_feedback(prediction_id=predictions[1].pk, label="yes", actor="other", source=source)

    monkeypatch.setattr(feedback_files, "_check", check_and_be_overtaken)
    with pytest.raises(Conflict, match=r"1 rows received another label .* the other 3 are") as caught:
        import_feedback(
            source=ContentFile(csv_of(predictions).encode()), actor="tests", via=Feedback.Source.CSV
        )
    assert [fault["line"] for fault in caught.value.errors] == [3]
    assert Feedback.objects.get(prediction=predictions[1]).label == "yes"
    assert Feedback.objects.filter(label="no").count() == 3


def test_statements_grow_with_pieces_and_not_with_rows(
    row: Version, django_assert_max_num_queries: Any
) -> None:
    predictions = PredictionFactory.create_batch(400, version=row)
    file = ContentFile(csv_of(predictions).encode())
    with django_assert_max_num_queries(12):
        stored = import_feedback(source=file, actor="tests", via=Feedback.Source.CSV).changes
    assert stored[Change.CREATED] == 400
