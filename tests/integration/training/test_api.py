"""Datasets, runs, classifiers and versions under /api/."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from predictions.keys import service as keys
from tests.integration.conftest import problem_of
from tests.support.factories import (
    DatasetFactory,
    PredictionFactory,
    RunFactory,
    UserFactory,
    tiny,
    trained_version,
)
from training.models import Activation, Dataset, Run

pytestmark = pytest.mark.django_db

CSV_CASES: dict[str, tuple[bytes, str]] = {
    "0 bytes": (b"", "empty"),
    "header only": (b"a,left\n", "no rows"),
    "PNG": (b"\x89PNG\r\n\x1a\n....", "PNG picture"),
    "target absent": (b"a,b\n1,2\n", 'no column \\"left\\"'),
    "one class": (b"a,left\n1,x\n2,x\n", "only one class"),
    "ragged": (b"a,left\n1,x\n2\n", "line 3"),
    "NUL": (b"a,left\n1,x\x00\n", "NUL byte"),
}


def bearer(*scopes: str) -> dict[str, str]:
    """Headers of a new key."""
    _, key = keys.create(name="caller", scopes=scopes)
    return {"authorization": f"Bearer {key}"}


def file(content: bytes, name: str = "table.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type="text/csv")


def test_an_uploaded_table_becomes_a_dataset_once(client: Client) -> None:
    headers = bearer("train", "read")
    answers = [
        client.post(
            "/api/datasets", {"name": "tiny", "target": "left", "file": file(tiny().csv)}, headers=headers
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert answers[0].json()["contract"] == tiny().contract.to_dict()
    assert client.get("/api/datasets", headers=headers).json()["results"][0]["number"] == 1


@pytest.mark.parametrize("case", CSV_CASES)
def test_a_table_that_cannot_be_used_is_refused_with_its_reason(client: Client, case: str) -> None:
    content, words = CSV_CASES[case]
    data = {"name": "bad", "target": "left", "file": file(content)}
    response = client.post("/api/datasets", data, headers=bearer("train"))
    assert (
        words in problem_of(response, 422)["detail"].replace('"', '\\"')
        or "empty" in response.content.decode()
    )
    assert not Dataset.objects.exists()


def test_a_table_over_the_limit_is_too_large(client: Client, settings: Any) -> None:
    settings.CLFSITE_UPLOAD_BYTES = 100
    data = {"name": "big", "target": "left", "file": file(b"a,left\n" + b"1,x\n" * 100)}
    assert (
        "CLFSITE_UPLOAD_BYTES"
        in problem_of(client.post("/api/datasets", data, headers=bearer("train")), 413)["detail"]
    )
    assert not Dataset.objects.exists()


def test_a_dataset_tells_its_contract_its_profile_and_its_warnings(client: Client) -> None:
    rows = "".join(f"{3 * number},{number % 5},{'yes' if number % 3 else 'no'}\n" for number in range(40))
    data = {"name": "shops", "target": "left", "file": file(f"number,size,left\n{rows}".encode())}
    headers = bearer("train", "read")
    made = client.post("/api/datasets", data, headers=headers).json()
    result = client.get(f"/api/datasets/{made['id']}", headers=headers).json()
    assert result == made
    assert [feature["name"] for feature in result["contract"]["features"]] == ["number", "size"]
    size = next(column for column in result["profile"] if column["name"] == "size")
    assert (size["kind"], [item["label"] for item in size["by_class"]]) == ("integer", ["yes", "no"])
    (warning,) = result["warnings"]
    assert (warning["code"], warning["column"]) == ("identifier", "number")
    (listed,) = client.get("/api/datasets", headers=headers).json()["results"]
    assert listed == {name: value for name, value in result.items() if name != "profile"}


def test_columns_of_codes_are_named_with_the_upload(client: Client) -> None:
    content = b"code,zip,left\n" + b"100,01234,yes\n200,99999,no\n" * 20 + b"A12,01234,yes\n"
    data = {"name": "codes", "target": "left", "file": file(content)}
    refused = client.post("/api/datasets", data, headers=bearer("train"))
    assert [(error["line"], error["column"]) for error in problem_of(refused, 422)["errors"]] == [
        (42, "code")
    ]
    data = {**data, "file": file(content), "categories": ["code", "zip"]}
    response = client.post("/api/datasets", data, headers=bearer("train"))
    assert response.status_code == 201, response.content
    features = response.json()["contract"]["features"]
    assert [feature["categories"] for feature in features] == [["100", "200", "A12"], ["01234", "99999"]]


def test_a_run_takes_corrections_and_tells_them(client: Client) -> None:
    corrections = {"columns": {"tenure": "category", "spend": "leave_out"}, "strict": True, "labels": None}
    body = {"dataset": DatasetFactory.create().pk, "folds": 3, "corrections": corrections}
    response = client.post("/api/runs", body, content_type="application/json", headers=bearer("train"))
    assert response.status_code == 201, response.content
    assert response.json()["corrections"] == corrections
    assert Run.objects.get().corrections_data == corrections


def test_a_run_without_corrections_has_none(client: Client) -> None:
    run = RunFactory.create()
    body = client.get(f"/api/runs/{run.pk}", headers=bearer("read")).json()
    assert body["corrections"] == {"columns": {}, "strict": False, "labels": None}


@pytest.mark.parametrize(
    ("corrections", "words"),
    [
        ({"columns": {"gone": "category"}}, "no column"),
        ({"columns": {"gone\x00": "category"}}, "NUL"),
        ({"columns": {"left": "number"}}, "is the target"),
        ({"columns": {"spend": "date"}}, "expected one of number"),
        ({"columns": {"plan": "number"}}, "expected a number like the other values"),
        (
            {"columns": dict.fromkeys(["spend", "tenure", "member", "plan"], "leave_out")},
            "no column is left as an input",
        ),
        ({"columns": ["spend"]}, "dictionary"),
        ({"leave_out": ["spend"]}, "unknown member"),
        ({"strict": "perhaps"}, "boolean"),
        ([], "object"),
        (None, "null"),
    ],
)
def test_a_correction_that_cannot_be_is_refused_before_anything_is_queued(
    client: Client, corrections: Any, words: str
) -> None:
    body = {"dataset": DatasetFactory.create().pk, "folds": 3, "corrections": corrections}
    response = client.post("/api/runs", body, content_type="application/json", headers=bearer("train"))
    problem_of(response, 422)
    assert words in response.content.decode()
    assert not Run.objects.exists()


def test_a_value_that_is_no_number_is_named_by_line_and_column(client: Client) -> None:
    body = {"dataset": DatasetFactory.create().pk, "corrections": {"columns": {"plan": "number"}}}
    response = client.post("/api/runs", body, content_type="application/json", headers=bearer("train"))
    first = problem_of(response, 422)["errors"][0]
    assert (first["line"], first["column"]) == (3, "plan")


def test_a_run_is_queued_with_its_recipe(client: Client) -> None:
    dataset = DatasetFactory.create(name="tiny")
    body = {"dataset": dataset.pk, "estimator": "extra_trees", "search": "random", "folds": 3}
    response = client.post("/api/runs", body, content_type="application/json", headers=bearer("train"))
    assert response.status_code == 201, response.content
    assert (response.json()["state"], response.json()["classifier"]) == ("queued", "tiny")
    assert Run.objects.get().recipe_data["estimator"] == "extra_trees"


def test_a_run_takes_weights_a_budget_an_aim_and_all_families(client: Client) -> None:
    options = {
        "estimator": "auto",
        "space": {"random_forest": {"n_estimators": [5]}},
        "class_weight": "balanced",
        "max_fits": 30,
        "max_minutes": 2.5,
        "aim": {"goal": "precision", "value": 0.9},
    }
    body = {"dataset": DatasetFactory.create().pk, "folds": 3, **options}
    response = client.post("/api/runs", body, content_type="application/json", headers=bearer("train"))
    assert response.status_code == 201, response.content
    recipe = Run.objects.get().recipe_data
    assert {name: recipe[name] for name in options} == options


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"estimator": "oracle"}, "oracle"),
        ({"scoring": "luck"}, "luck"),
        ({"space": {"wings": [2]}}, "wings"),
        ({"space": {"max_depth": []}}, "max_depth"),
        ({"space": {"max_depth": 3}}, "expected a list of values"),
        ({"estimator": "auto", "space": {"oracle": {}}}, "oracle"),
        ({"class_weight": "heavy"}, "heavy"),
        ({"max_fits": 2}, "2 fits"),
        ({"max_minutes": 0}, "0.0 minutes"),
        ({"max_minutes": "inf"}, "max_minutes"),
        ({"aim": {"goal": "luck"}}, "luck"),
        ({"aim": {"goal": "recall"}}, "above 0 and at most 1"),
        ({"aim": {"goal": "cost", "value": "inf"}}, "value"),
        ({"folds": 60}, "60 folds"),
        ({"dataset": 10**9}, "does not exist"),
        ({"classifier": "../etc"}, "letters"),
    ],
)
def test_a_run_that_cannot_work_is_refused_before_it_is_queued(
    client: Client, change: dict[str, Any], words: str
) -> None:
    body = {"dataset": DatasetFactory.create().pk, "folds": 3, **change}
    response = client.post("/api/runs", body, content_type="application/json", headers=bearer("train"))
    problem_of(response, 422)
    assert words in response.content.decode()
    assert not Run.objects.exists()


def test_a_run_that_activates_needs_the_scope_for_both(client: Client) -> None:
    body = {"dataset": DatasetFactory.create().pk, "folds": 3, "activate": True}
    send: dict[str, Any] = {"data": body, "content_type": "application/json"}
    problem_of(client.post("/api/runs", **send, headers=bearer("train")), 403)
    assert not Run.objects.exists()
    assert client.post("/api/runs", **send, headers=bearer("train", "activate")).status_code == 201


def test_a_failed_or_cancelled_run_is_started_again(client: Client) -> None:
    headers = bearer("train")
    for run in (RunFactory.create(failed=True), RunFactory.create()):
        run.request_cancel()
        problem_of(client.post(f"/api/runs/{run.pk}/resume", headers=bearer("read", "predict")), 403)
        response = client.post(f"/api/runs/{run.pk}/resume", headers=headers)
        assert (response.status_code, response.json()["state"], response.json()["error"]) == (
            200,
            "queued",
            "",
        )
        assert response.json()["finished_at"] is None
        assert (
            "only a failed or cancelled run"
            in problem_of(client.post(f"/api/runs/{run.pk}/resume", headers=headers), 409)["detail"]
        )
    succeeded = RunFactory.create(succeeded=True)
    problem_of(client.post(f"/api/runs/{succeeded.pk}/resume", headers=headers), 409)


def test_a_run_is_cancelled_until_it_is_over(client: Client) -> None:
    waiting, running = RunFactory.create(), RunFactory.create(running=True)
    headers = bearer("train")
    problem_of(client.post(f"/api/runs/{waiting.pk}/cancel", headers=bearer("read", "predict")), 403)
    response = client.post(f"/api/runs/{waiting.pk}/cancel", headers=headers)
    assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    response = client.post(f"/api/runs/{running.pk}/cancel", headers=headers)
    assert (response.status_code, response.json()["state"]) == (200, "running")
    assert response.json()["cancel_requested_at"]
    problem = problem_of(client.post(f"/api/runs/{waiting.pk}/cancel", headers=headers), 409)
    assert "it is cancelled" in problem["detail"]
    problem_of(client.post("/api/runs/0/cancel", headers=headers), 404)


@pytest.mark.case("U17", "U21")
def test_an_activation_needs_its_scope_and_a_reason(client: Client) -> None:
    version = trained_version(classifier="churn")
    path = f"/api/versions/{version.pk}/activate"
    send: dict[str, Any] = {"data": {"reason": "it is better"}, "content_type": "application/json"}
    problem_of(client.post(path, **send), 401)
    problem_of(client.post(path, **send, headers=bearer("predict", "read", "train")), 403)
    headers = bearer("activate")
    problem_of(client.post(path, {}, content_type="application/json", headers=headers), 422)
    assert client.post(path, **send, headers=headers).status_code == 200
    assert Activation.objects.get().reason == "it is better"
    problem_of(client.post(path, **send, headers=headers), 409)
    problem_of(client.get(path, headers=headers), 405)


@pytest.mark.case("U20")
def test_a_session_acts_by_its_permissions_and_needs_csrf() -> None:
    version = trained_version(classifier="churn")
    user = UserFactory.create()
    user.user_permissions.add(Permission.objects.get(codename="view_classifier"))
    path = f"/api/versions/{version.pk}/activate"
    send: dict[str, Any] = {"data": {"reason": "good"}, "content_type": "application/json"}
    session, strict = Client(), Client(enforce_csrf_checks=True)
    session.force_login(user)
    strict.force_login(user)
    assert session.get("/api/versions").status_code == 200
    problem_of(session.post(path, **send), 403)
    user.user_permissions.add(Permission.objects.get(codename="activate_version"))
    assert "CSRF" in problem_of(strict.post(path, **send), 403)["detail"]
    assert session.post(path, **send).status_code == 200
    assert Activation.objects.get().actor == user.username


def test_a_login_without_staff_sees_nothing() -> None:
    user = UserFactory.create(is_staff=False)
    client = Client()
    client.force_login(user)
    problem_of(client.get("/api/versions"), 403)


@pytest.mark.parametrize("name", ["datasets", "runs", "classifiers", "versions", "predictions"])
@pytest.mark.case("U06", "U07", "U08")
def test_a_list_needs_a_reader_and_pages_by_cursor(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries, name: str
) -> None:
    for _ in range(3):
        PredictionFactory.create(version=trained_version(activate=True))
    problem_of(client.get(f"/api/{name}"), 401)
    headers = bearer("read")
    with django_assert_max_num_queries(12):
        first = client.get(f"/api/{name}?page_size=2", headers=headers).json()
    assert len(first["results"]) == 2
    assert len(client.get(first["next"], headers=headers).json()["results"]) == 1
    for query in ("page_size=-1", "page_size=1000000000", "ordering=password", "cursor=tampered"):
        problem_of(client.get(f"/api/{name}?{query}", headers=headers), 400)


@pytest.mark.parametrize(
    "path",
    [
        "/api/runs/0",
        "/api/runs/99999999999999999999999",
        "/api/runs/%00",
        "/api/runs/../../etc/passwd",
        "/api/predictions/not-a-uuid",
        "/api/predictions/00000000-0000-0000-0000-000000000000",
        "/api/predictions/------------------------------------",
        "/api/nothing",
    ],
)
@pytest.mark.case("U01", "U02", "U04")
def test_what_does_not_exist_is_a_problem_document(client: Client, path: str) -> None:
    problem_of(client.get(path, headers=bearer("read")), 404)


def test_a_finished_run_names_its_version(client: Client) -> None:
    version = trained_version(classifier="churn")
    body = client.get(f"/api/runs/{version.run_id}", headers=bearer("read")).json()
    assert (body["state"], body["version"]) == ("succeeded", version.number)
    RunFactory.create(failed=True)
    newest = client.get("/api/runs", headers=bearer("read")).json()["results"][0]
    assert (newest["state"], newest["error"]) == ("failed", "it was made to fail")


def test_the_schema_is_valid_and_complete(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json")
    schema = capsys.readouterr().out
    for path in (
        "/predict",
        "/predict-batch",
        "/info",
        "/api/datasets",
        "/api/versions/{id}/activate",
        "/api/versions/{id}/retrain",
        "/api/versions/compare",
        "/api/runs/{id}/cancel",
    ):
        assert f'"{path}"' in schema
    for words in ("By column: number, category, merge for a category", "Findings to check before training"):
        assert words in schema
