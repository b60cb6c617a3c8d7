"""Batches over HTTP: upload, list, start, cancel, result and errors; strict and lenient."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from predictions.batches.models import Batch
from predictions.batches.service import execute_batch
from predictions.models import Prediction
from tests.integration.conftest import problem_of
from tests.support.factories import ApiKeyFactory, BatchFactory, trained_version
from training.models import Version

HEADER = "spend,tenure,member,plan"
GOOD = f"{HEADER}\n100,5,true,pro\n120.25,40,false,basic\n"
MIXED = f"{HEADER}\n100,5,true,pro\nmuch,5,true,pro\n100,5\n120.25,40,false,basic\n"


@pytest.fixture
def caller(db: None) -> Client:
    ApiKeyFactory.create(name="shop", secret="clf_secret-of-batches", scopes=("predict", "read"))
    return Client(headers={"authorization": "Bearer clf_secret-of-batches"})


def send(caller: Client, text: str = GOOD, name: str = "customers.csv", **fields: Any) -> Any:
    return caller.post("/api/batches", {"file": SimpleUploadedFile(name, text.encode()), **fields})


def done(caller: Client, text: str = GOOD, **fields: Any) -> dict[str, Any]:
    """What the API says of a batch after a worker had it."""
    response = send(caller, text, **fields)
    assert response.status_code == 201, response.content
    execute_batch(Batch.objects.get(pk=response.json()["id"]))
    result: dict[str, Any] = caller.get(f"/api/batches/{response.json()['id']}").json()
    return result


def table(caller: Client, address: str) -> list[dict[str, str]]:
    response = caller.get(address, headers={"accept": "text/csv"})
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.getvalue().decode(), newline="")))


def test_an_upload_is_scored_and_its_answers_fetched(
    caller: Client, version: Version, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks() as woken:
        queued = send(caller).json()
    assert len(woken) == 1
    assert (queued["state"], queued["model"], queued["version"], queued["caller"]) == (
        "queued",
        "churn",
        1,
        "key shop",
    )
    execute_batch(Batch.objects.get())
    result = caller.get(f"/api/batches/{queued['id']}").json()
    assert (result["state"], result["rows_total"], result["rows_done"], result["rows_bad"]) == (
        "succeeded",
        2,
        2,
        0,
    )
    assert result["rows_per_second"] > 0
    rows = table(caller, f"/api/batches/{queued['id']}/result")
    logged = {str(row.pk): row for row in Prediction.objects.all()}
    assert [logged[row["prediction_id"]].label for row in rows] == [row["label"] for row in rows]
    listed = caller.get("/api/batches").json()["results"]
    assert [item["id"] for item in listed] == [queued["id"]]
    assert "problems" not in listed[0]


def test_a_version_can_be_pinned_and_an_unknown_one_is_not_found(caller: Client, version: Version) -> None:
    trained_version(classifier="churn", activate=True)
    assert done(caller, version=1)["version"] == 1
    assert done(caller)["version"] == 2
    problem_of(send(caller, version=9), 404)
    problem_of(send(caller, model="nobody"), 404)


def test_strict_stops_before_any_row_is_scored(caller: Client, version: Version) -> None:
    result = done(caller, MIXED)
    assert (result["state"], result["rows_bad"], result["problem_count"]) == ("failed", 2, 2)
    assert "2 of 4 rows were refused; nothing was scored" in result["error"]
    places = [(problem["line"], problem["column"], problem["code"]) for problem in result["problems"]]
    assert places == [(3, "spend", "not_a_number"), (4, "", "wrong_length")]
    assert not Prediction.objects.exists()
    problem_of(caller.get(f"/api/batches/{result['id']}/result"), 409)
    assert [row["line"] for row in table(caller, f"/api/batches/{result['id']}/errors")] == ["3", "4"]


def test_lenient_lists_bad_rows_and_scores_the_others(caller: Client, version: Version) -> None:
    result = done(caller, MIXED, mode="lenient")
    assert (result["state"], result["rows_total"], result["rows_bad"]) == ("succeeded", 4, 2)
    assert [row["tenure"] for row in table(caller, f"/api/batches/{result['id']}/result")] == ["5", "40"]
    errors = table(caller, f"/api/batches/{result['id']}/errors")
    assert [(row["line"], row["column"], row["code"]) for row in errors] == [
        ("3", "spend", "not_a_number"),
        ("4", "", "wrong_length"),
    ]
    assert list(Prediction.objects.order_by("row").values_list("row", flat=True)) == [0, 3]


def test_a_file_without_a_good_row_fails_in_either_mode(caller: Client, version: Version) -> None:
    result = done(caller, f"{HEADER}\nmuch,5,true,pro\n", mode="lenient")
    assert result["state"] == "failed"
    assert "all 1 rows were refused" in result["error"]


def test_a_strict_classifier_refuses_what_training_never_saw(caller: Client, version: Version) -> None:
    version.classifier.strict = True
    version.classifier.save()
    result = done(caller, f"{HEADER}\n100,5,true,ultra\n")
    assert (result["state"], result["problems"][0]["code"]) == ("failed", "unknown_category")


def test_warnings_are_counted_and_logged(caller: Client, version: Version) -> None:
    result = done(caller, f"{HEADER}\n100,5,true,ultra\n100,5,true,pro\n")
    assert (result["state"], result["rows_unseen"]) == ("succeeded", 1)
    warned = Prediction.objects.get(row=0).warnings
    assert [(item["feature"], item["code"]) for item in warned] == [("plan", "unknown_category")]


def test_a_preview_waits_until_it_is_started(caller: Client, version: Version) -> None:
    result = done(caller, MIXED, preview="true")
    assert (result["state"], result["rows_bad"]) == ("checked", 2)
    start = f"/api/batches/{result['id']}/start"
    refused = problem_of(caller.post(start, {"mode": "strict"}, "application/json"), 422)
    assert "skip them (mode=lenient)" in refused["detail"]
    assert caller.post(start, {"mode": "lenient"}, "application/json").json()["state"] == "queued"
    problem_of(caller.post(start, {"mode": "lenient"}, "application/json"), 409)
    execute_batch(Batch.objects.get(pk=result["id"]))
    assert Prediction.objects.count() == 2


def test_a_waiting_batch_is_cancelled_and_one_that_is_over_is_not(caller: Client, version: Version) -> None:
    address = f"/api/batches/{send(caller).json()['id']}"
    assert caller.post(f"{address}/cancel").json()["state"] == "cancelled"
    problem_of(caller.post(f"{address}/cancel"), 409)
    execute_batch(Batch.objects.get())
    assert not Prediction.objects.exists()
    problem_of(caller.get(f"{address}/result"), 409)
    problem_of(caller.get(f"{address}/errors"), 404)


def test_a_failed_batch_is_resumed_and_one_that_succeeded_is_not(caller: Client, version: Version) -> None:
    address = f"/api/batches/{send(caller).json()['id']}"
    problem_of(caller.post(f"{address}/resume"), 409)
    Batch.objects.update(state="failed", finished_at=timezone.now(), error="the worker was lost")
    response = caller.post(f"{address}/resume")
    assert (response.status_code, response.json()["state"], response.json()["error"]) == (200, "queued", "")
    execute_batch(Batch.objects.get())
    assert caller.get(f"{address}/result").status_code == 200
    assert "is succeeded" in problem_of(caller.post(f"{address}/resume"), 409)["detail"]
    problem_of(caller.post("/api/batches/0/resume"), 404)


@pytest.mark.case("C03", "C04", "C06")
def test_what_is_no_good_upload_is_refused_and_stores_nothing(
    caller: Client, version: Version, settings: Any
) -> None:
    assert problem_of(caller.post("/api/batches", {}), 422)["errors"][0]["field"] == "file"
    assert problem_of(send(caller, mode="hopeful"), 422)["errors"][0]["field"] == "mode"
    two = [SimpleUploadedFile("one.csv", b"a"), SimpleUploadedFile("two.csv", b"b")]
    assert "one file" in problem_of(caller.post("/api/batches", {"file": two}), 422)["errors"][0]["message"]
    refused = problem_of(send(caller, "Spend,tenure,member,plan\n1,2,true,pro\n"), 422)
    assert [error["column"] for error in refused["errors"]] == ["spend", "Spend"]
    assert 'did you mean the column "Spend"?' in refused["errors"][0]["message"]
    settings.CLFSITE_UPLOAD_BYTES = len(GOOD) - 1
    problem_of(send(caller), 413)
    problem_of(caller.post("/api/batches", {"file": GOOD}, "application/json"), 415)
    assert not Batch.objects.exists()


@pytest.mark.case("C05")
@pytest.mark.parametrize(
    ("boundary", "status"), [("; boundary=" + "x" * 300, 415), ("", 400), ("; boundary=another", 422)]
)
def test_a_bad_boundary_is_no_file(boundary: str, status: int, caller: Client, version: Version) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    body = head + GOOD.encode() + b"\r\n--b--\r\n"
    problem_of(caller.generic("POST", "/api/batches", body, f"multipart/form-data{boundary}"), status)
    assert not Batch.objects.exists()


def test_more_batches_take_no_more_queries(
    caller: Client, version: Version, django_assert_max_num_queries: Any
) -> None:
    BatchFactory.create_batch(8, version=version)
    caller.get("/api/batches")
    with django_assert_max_num_queries(3):
        assert len(caller.get("/api/batches").json()["results"]) == 8
