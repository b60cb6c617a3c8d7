"""The caller's own key on its way: given with a row, returned, logged, and found by it."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from clfsite.core.errors import Conflict, NotFound
from predictions.batches.models import Batch
from predictions.batches.service import create_batch, execute_batch
from predictions.log import references
from predictions.log.references import Named, find, find_all
from predictions.models import Feedback, Prediction, first_id
from predictions.serving.predict import ROWS_FOR_COLUMNS
from tests.integration.conftest import Post, problem_of
from tests.support.factories import ApiKeyFactory, PredictionFactory, RunFactory, VersionFactory, tiny
from tests.support.portal import staff_client
from training.ml.tables import inference
from training.ml.trainer import train
from training.models import Version
from training.versions.registry import register_version
from training.versions.service import activate_version

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]

HEADER = "spend,tenure,member,plan"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
# what COPY, CSV and templates could take for something else
ODD = r"""\N\t'=a"b,<i>&%{row}é"""


def predicted(at: datetime, **fields: Any) -> Prediction:
    """A logged prediction of a moment, the id included."""
    PredictionFactory.create(id=first_id(at), created_at=at, **fields)
    return Prediction.objects.get(pk=first_id(at))


def trained_with(name: str) -> Version:
    """The active version of a classifier with an input of this name in place of its first one."""
    table = tiny().table.rename(columns={"spend": name})
    contract = inference.infer(table, "left")
    run = RunFactory.create()
    assert run.start()
    version = register_version(
        run=run, trained=train(table, contract, tiny().recipe, jobs=1, accelerate=False)
    )
    activate_version(version=version, actor="tests", reason="a test needs it")
    return version


@pytest.fixture
def caller(client: Client) -> Callable[..., Any]:
    """Call with a key that may read and judge."""
    ApiKeyFactory.create(name="billing", secret="clf_judge", scopes=("feedback", "read"))
    headers = {"authorization": "Bearer clf_judge"}

    def call(path: str, body: Any = None) -> Any:
        if body is None:
            return client.get(path, headers=headers)
        if isinstance(body, str):
            file = SimpleUploadedFile("truths.csv", body.encode(), "text/csv")
            return client.post(path, {"file": file}, headers=headers)
        return client.post(path, body, content_type="application/json", headers=headers)

    return call


def test_a_reference_is_returned_and_logged(post: Post, version: Version, example: dict[str, Any]) -> None:
    body = post("/predict", {"features": example, "reference": ODD}).json()
    assert body["reference"] == ODD
    row = Prediction.objects.get(reference=ODD)
    assert (str(row.pk), row.features) == (body["prediction_id"], example)
    for none in ({}, {"reference": None}):
        assert "reference" not in post("/predict", {"features": example, **none}).json()
    assert Prediction.objects.filter(reference=None).count() == 2


@pytest.mark.parametrize("count", [3, ROWS_FOR_COLUMNS + 1])
def test_each_record_of_a_batch_has_its_own(
    count: int, post: Post, version: Version, example: dict[str, Any]
) -> None:
    records = [{**example, "tenure": 1 + row % 70} for row in range(count)]
    named = [{**record, "reference": f"A{row}"} if row % 2 else record for row, record in enumerate(records)]
    predictions = post("/predict-batch", {"records": named}).json()["predictions"]
    assert [item.get("reference") for item in predictions] == [
        f"A{row}" if row % 2 else None for row in range(count)
    ]
    logged = Prediction.objects.in_bulk()
    rows = [
        logged[key] for key in map(type(next(iter(logged))), [item["prediction_id"] for item in predictions])
    ]
    assert [row.reference for row in rows] == [item.get("reference") for item in predictions]
    assert [row.features for row in rows] == records


@pytest.mark.parametrize(
    ("value", "code"), [(7, "not_text"), ("", "empty"), ("x" * 201, "too_long"), ("a\nb", "invalid_text")]
)
def test_an_invalid_one_is_refused_with_its_path_and_nothing_is_stored(
    value: Any, code: str, post: Post, version: Version, example: dict[str, Any]
) -> None:
    (error,) = problem_of(post("/predict", {"features": example, "reference": value}), 422)["errors"]
    assert (error["field"], error["code"]) == ("reference", code)
    for count in (3, ROWS_FOR_COLUMNS + 3):
        records = [{**example, "reference": "A"}] * count
        records[1] = {**example, "reference": value}
        records[2] = {**example, "reference": value, "spend": "much"}
        errors = problem_of(post("/predict-batch", {"records": records}), 422)["errors"]
        assert [(item["row"], item["field"]) for item in errors] == [
            (1, "records.1.reference"),
            (2, "records.2.spend"),
            (2, "records.2.reference"),
        ]
    assert not Prediction.objects.exists()


def test_an_input_of_that_name_is_the_input(post: Post, example: dict[str, Any]) -> None:
    model = trained_with("reference").classifier.name
    row = {("reference" if name == "spend" else name): value for name, value in example.items()}
    single = post("/predict", {"features": row, "reference": "A-1", "model": model}).json()
    assert single["reference"] == "A-1"
    records = [row, {**row, "clfsite_reference": "A-2"}]
    predictions = post("/predict-batch", {"records": records, "model": model}).json()["predictions"]
    assert [item.get("reference") for item in predictions] == [None, "A-2"]
    assert {tuple(logged.features) for logged in Prediction.objects.all()} == {tuple(row)}
    content = "reference,tenure,member,plan,clfsite_reference\n100,5,true,pro,A-3\n"
    batch = create_batch(source=ContentFile(content.encode(), name="t.csv"), caller="tests", model=model)
    execute_batch(batch)
    logged = Prediction.objects.get(batch=batch)
    assert (logged.features["reference"], logged.reference) == (100, "A-3")


def test_a_repeated_call_with_an_idempotency_key_returns_the_reference(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    body = {"features": example, "reference": "A-1"}
    first, again = (post("/predict", body, **{"Idempotency-Key": "one"}).json() for _ in range(2))
    assert first == again
    assert Prediction.objects.get().reference == "A-1"
    problem_of(post("/predict", {**body, "reference": "A-2"}, **{"Idempotency-Key": "one"}), 422)


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_column_of_a_file_has_them(quote: str, version: Version) -> None:
    rows = "".join(f"1,{1 + row % 70},true,pro,{quote}A {row}{quote}\n" for row in range(150))
    content = f"{HEADER},reference\n{rows}1,2,true,pro,\n1,3,true,pro, B \n"
    batch = create_batch(source=ContentFile(content.encode(), name="orders.csv"), caller="tests")
    execute_batch(batch)
    batch.refresh_from_db()
    assert batch.state == Batch.State.SUCCEEDED, batch.error
    logged = Prediction.objects.filter(batch=batch).order_by("row").values_list("reference", flat=True)
    assert list(logged) == [*(f"A {row}" for row in range(150)), None, "B"]


def test_an_invalid_cell_is_a_bad_row_with_its_line(version: Version, example: dict[str, Any]) -> None:
    content = f"{HEADER},reference\n1,2,true,pro,A\n1,2,true,pro,{'x' * 201}\n1,2,true,pro,C\n"
    batch = create_batch(
        source=ContentFile(content.encode(), name="orders.csv"), caller="tests", mode=Batch.Mode.LENIENT
    )
    execute_batch(batch)
    batch.refresh_from_db()
    assert (batch.state, batch.rows_bad) == (Batch.State.SUCCEEDED, 1)
    assert [(item["line"], item["column"], item["code"]) for item in batch.problems] == [
        (3, "reference", "too_long")
    ]
    assert set(Prediction.objects.values_list("reference", flat=True)) == {"A", "C"}


def test_the_log_is_searched_listed_and_exported_by_it(caller: Callable[..., Any]) -> None:
    version = VersionFactory.create()
    PredictionFactory.create_batch(3, version=version)
    row = PredictionFactory.create(version=version, reference=ODD)
    PredictionFactory.create(version=version, reference=ODD, caller="other")
    found = caller(
        f"/api/predictions?{Client().get('/', {'reference': ODD}).wsgi_request.META['QUERY_STRING']}"
    )
    assert [item["reference"] for item in found.json()["results"]] == [ODD, ODD]
    assert caller("/api/predictions?reference=unknown").json()["results"] == []
    assert problem_of(caller("/api/predictions?reference=%00"), 400)["errors"][0]["field"] == "reference"
    staff = staff_client()
    page = staff.get(reverse("predictions:prediction-list"), {"reference": ODD, "caller": "tests"})
    assert [item.pk for item in page.context["results"].rows] == [row.pk]
    export = staff.get(reverse("predictions:prediction-export"), {"reference": ODD}).getvalue().decode()
    assert [line["reference"] for line in csv.DictReader(io.StringIO(export, newline=""))] == [ODD, ODD]
    detail = staff.get(reverse("predictions:prediction-detail", args=[row.pk]))
    assert "All with this reference" in detail.content.decode()


def test_a_search_by_reference_uses_its_index() -> None:
    query = str(Prediction.objects.filter(reference="A").order_by("-id").only("id").query).replace(
        " = A", " = 'A'"
    )
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {query}")
        assert "prediction_reference" in str(cursor.fetchall())


def test_the_newest_prediction_is_meant_unless_a_time_is_given() -> None:
    version = VersionFactory.create()
    rows = [predicted(NOON + timedelta(days=day), version=version, reference="A") for day in range(3)]
    assert find(Named("A")) == rows[2]
    assert find(Named("A", before=NOON + timedelta(days=1, seconds=1))) == rows[1]
    with pytest.raises(NotFound, match="at that time or earlier"):
        find(Named("A", before=NOON))
    names = {Named("A"): rows[2], Named("A", before=NOON + timedelta(hours=1)): rows[0]}
    found = find_all([*names, Named("B"), Named("A", before=NOON)])
    assert {name: found[name] for name in names} == names
    assert isinstance(found[Named("B")], str)
    assert isinstance(found[Named("A", before=NOON)], str)


@pytest.mark.parametrize("most", [1, references.MOST_READ])
def test_of_several_classifiers_one_has_to_be_named(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MOST_READ", most)
    churn, fraud = VersionFactory.create_batch(2)
    first = predicted(NOON, version=churn, reference="A")
    second = predicted(NOON + timedelta(hours=1), version=fraud, reference="A")
    of_churn = Named("A", churn.classifier.name)
    with pytest.raises(Conflict, match="several classifiers"):
        find(Named("A"))
    assert find(of_churn) == first
    found = find_all([Named("A"), of_churn, Named("A", fraud.classifier.name), Named("A", "nobody")])
    assert "several classifiers" in str(found[Named("A")])
    assert (found[of_churn], found[Named("A", fraud.classifier.name)]) == (first, second)
    assert "no prediction of nobody" in str(found[Named("A", "nobody")])


def test_feedback_names_the_reference_instead_of_the_id(caller: Callable[..., Any]) -> None:
    version = VersionFactory.create()
    old = predicted(NOON, version=version, reference="A")
    new = predicted(NOON + timedelta(days=1), version=version, reference="A")
    answer = caller("/api/predictions/feedback", {"reference": "A", "label": "no"})
    assert (answer.status_code, answer.json()["prediction_id"]) == (201, str(new.pk))
    assert answer.json()["reference"] == "A"
    again = caller("/api/predictions/feedback", {"reference": "A", "label": "no"})
    assert (again.status_code, again.json()["change"]) == (200, "unchanged")
    name = version.classifier.name
    earlier = {"reference": "A", "label": "yes", "time": "2026-03-02", "model": name}
    assert caller("/api/predictions/feedback", earlier).json()["prediction_id"] == str(old.pk)
    problem_of(caller("/api/predictions/feedback", {"reference": "B", "label": "no"}), 404)
    problem_of(caller("/api/predictions/feedback", {"label": "no"}), 400)
    problem = problem_of(
        caller("/api/predictions/feedback", {"reference": 7, "label": "no", "time": "soon"}), 422
    )
    assert [item["field"] for item in problem["errors"]] == ["reference", "time"]
    PredictionFactory.create(reference="A")
    problem_of(caller("/api/predictions/feedback", {"reference": "A", "label": "no"}), 409)


def test_a_file_of_references_and_labels_is_stored(caller: Callable[..., Any]) -> None:
    version = VersionFactory.create()
    rows = [
        predicted(NOON + timedelta(minutes=row), version=version, reference=f"A{row}") for row in range(700)
    ]
    PredictionFactory.create(version=version, reference="=A1")
    answer = caller(
        "/api/feedback", "reference,label\n" + "".join(f"A{row},no\n" for row in range(700)) + "'=A1,no\n"
    )
    assert answer.json()["created"] == 701, answer.json()
    assert Feedback.objects.filter(prediction__in=rows).count() == 700


def test_rows_of_one_reference_are_told_apart_by_time_and_model(caller: Callable[..., Any]) -> None:
    version = VersionFactory.create()
    old, new = (predicted(NOON + timedelta(days=day), version=version, reference="A") for day in range(2))
    name = version.classifier.name
    rows = f"A,{name},2026-03-02 12:00,yes\nA,,,no\n"
    answer = caller("/api/feedback", f"reference,model,time,label\n{rows}")
    assert (answer.json()["created"], answer.json()["ignored_columns"]) == (2, [])
    assert dict(Feedback.objects.values_list("prediction", "label")) == {old.pk: "yes", new.pk: "no"}


def test_bad_rows_of_a_file_of_references_are_named(caller: Callable[..., Any]) -> None:
    predicted(NOON, reference="A")
    content = "reference,time,label\nA,,no\nB,,no\nA,,yes\nA,noon,no\n,,no\nA,2020-01-01,no\nA,,maybe\n"
    errors = problem_of(caller("/api/feedback", content), 422)["errors"]
    assert [(item["line"], item["column"]) for item in errors] == [
        (3, "reference"),
        (4, "reference"),
        (5, "time"),
        (6, "reference"),
        (7, "reference"),
        (8, "reference"),
    ]
    assert not Feedback.objects.exists()
