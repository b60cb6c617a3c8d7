"""Each call leaves a line in the log with its id, which is also in the answer and in the log of predictions."""

import json
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from clfsite.core.jobs import worker
from clfsite.core.requests import access_log
from predictions.keys import service as keys
from predictions.log.writing import group_commit
from predictions.models import Prediction
from tests.support.factories import ApiKeyFactory, PredictionFactory, UserFactory, tiny, trained_version
from tests.support.rsgi import ask
from training.models import Run

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "clf_shop-secret"


@pytest.fixture(autouse=True)
def _as_json(settings: Settings) -> None:
    settings.CLFSITE_LOG_FORMAT = "json"


@pytest.fixture
def key() -> None:
    keys.forget()
    ApiKeyFactory.create(name="shop", secret=SECRET, scopes=("predict",))


class Answered:
    """An answer, and the lines that its call left."""

    def __init__(
        self,
        capfd: pytest.CaptureFixture[str],
        path: str,
        body: Any = None,
        query: str = "",
        **headers: str,
    ) -> None:
        data = b"" if body is None else orjson.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        capfd.readouterr()
        answer = ask(path, data, query=query, headers={"content-type": "application/json", **named})
        self.status, self.headers, self.content = answer.status, answer.headers, answer.content
        self.lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]

    @property
    def line(self) -> dict[str, Any]:
        (found,) = self.lines
        result: dict[str, Any] = found
        return result


@pytest.mark.usefixtures("key")
def test_id_of_a_prediction_stands_in_answer_log_and_record(capfd: pytest.CaptureFixture[str]) -> None:
    trained_version(activate=True, default=True)
    row = tiny().contract.example
    bearer = {"authorization": f"Bearer {SECRET}"}
    answer = Answered(capfd, "/predict", {"features": row}, x_request_id="order-17", **bearer)
    assert (answer.status, answer.headers["x-request-id"]) == (200, "order-17")
    stored = Prediction.objects.get(pk=orjson.loads(answer.content)["prediction_id"])
    assert stored.request_id == "order-17"
    assert (answer.line["caller"], answer.line["status"], answer.line["codes"]) == ("shop", 200, [])
    assert not any(str(value) in json.dumps(answer.line["path"]) for value in row.values())
    # many rows, which PostgreSQL copies
    many = Answered(capfd, "/predict-batch", {"records": [row] * 150}, **bearer)
    group_commit.log.stop()
    assert Prediction.objects.filter(request_id=many.headers["x-request-id"]).count() == 150


@pytest.mark.usefixtures("key")
def test_refused_values_leave_their_codes_and_not_the_values(capfd: pytest.CaptureFixture[str]) -> None:
    trained_version(activate=True, default=True)
    name = next(iter(tiny().contract.example))
    answer = Answered(
        capfd,
        "/predict",
        {"features": {name: "a-secret-value", "a-secret-name": 1}},
        authorization=f"Bearer {SECRET}",
        query="",
    )
    document = orjson.loads(answer.content)
    assert (answer.status, document["request_id"]) == (422, answer.line["request_id"])
    assert set(answer.line["codes"]) == {item["code"] for item in document["errors"]}
    assert "secret" not in json.dumps(answer.line)


def test_refused_keys_are_told_apart_in_the_log_alone(capfd: pytest.CaptureFixture[str]) -> None:
    keys.forget()
    now = timezone.now()
    ApiKeyFactory.create(name="old", secret="clf_expired", expires_at=now - timedelta(days=1))
    ApiKeyFactory.create(name="gone", secret="clf_revoked", revoked_at=now)
    ApiKeyFactory.create(name="reader", secret="clf_reader", scopes=("read",))
    expected = {
        "": (401, "", "key_missing"),
        "Bearer clf_unknown": (401, "", "key_not_valid"),
        "Bearer clf_expired": (401, "old", "key_expired"),
        "Bearer clf_revoked": (401, "gone", "key_revoked"),
        "Bearer clf_reader": (403, "reader", "key_scope"),
    }
    for header, (status, caller, code) in expected.items():
        answer = Answered(capfd, "/predict", {}, **({"authorization": header} if header else {}))
        line = answer.line
        assert (line["status"], line["caller"], line["codes"]) == (status, caller, [code]), header
        assert "clf_" not in json.dumps(line)


@pytest.mark.parametrize(
    ("path", "status", "codes"),
    [
        ("/nothing", 404, ["not_found"]),
        ("/portal/nothing", 404, ["not_found"]),
        ("/api/runs", 401, ["not_authenticated"]),
    ],
)
def test_addresses_without_an_answer_leave_a_line(
    capfd: pytest.CaptureFixture[str], path: str, status: int, codes: list[str]
) -> None:
    line = Answered(capfd, path, query="email=someone").line
    assert (line["path"], line["status"], line["codes"]) == (path, status, codes)
    assert "someone" not in json.dumps(line)


@pytest.mark.parametrize("path", ["/predict", "/info", "/portal/", "/accounts/login/"])
def test_foreign_host_is_one_line_with_the_address(capfd: pytest.CaptureFixture[str], path: str) -> None:
    answer = Answered(capfd, path, host="evil.example.org")
    assert answer.status == 400
    assert answer.line["level"] == "INFO"
    assert (answer.line["address"], answer.line["host"]) == ("10.1.2.4", "evil.example.org")
    assert answer.line["codes"] == ["unknown_host"]


def test_unexpected_error_is_found_by_its_id(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("predictions.serving.api.ServingView.identify", fail)
    answer = Answered(capfd, "/predict", {})
    assert answer.status == 500
    assert answer.line["codes"] == ["unexpected_error"]
    assert orjson.loads(answer.content)["request_id"] == answer.line["request_id"]


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("path", ["/invocations", "/v2/models/churn/infer"])
def test_id_stands_in_the_problems_of_other_protocols(capfd: pytest.CaptureFixture[str], path: str) -> None:
    trained_version(activate=True, default=True)
    answered = Answered(capfd, path, {"wrong": 1}, authorization=f"Bearer {SECRET}", x_request_id="order-17")
    assert answered.status >= 400
    assert orjson.loads(answered.content)["request_id"] == answered.headers["x-request-id"] == "order-17"


def test_a_job_has_the_id_of_its_call_and_so_do_the_lines_of_its_worker(
    capfd: pytest.CaptureFixture[str],
) -> None:
    keys.forget()
    ApiKeyFactory.create(name="shop", secret=SECRET, scopes=("train",))
    dataset = trained_version().run.dataset
    answered = Answered(
        capfd,
        "/api/runs",
        {"dataset": dataset.pk, "space": {"n_estimators": [5]}, "folds": 2},
        authorization=f"Bearer {SECRET}",
        x_request_id="order-18",
    )
    assert answered.status == 201, answered.content
    body = orjson.loads(answered.content)
    assert body["request_id"] == "order-18"
    seen = []
    worker.carry_out(Run, body["id"], lambda _: seen.append(access_log.current_id()))
    assert seen == ["order-18"]
    assert access_log.current_id() == ""


def test_login_stands_in_the_line_of_a_page(capfd: pytest.CaptureFixture[str], client: Client) -> None:
    client.force_login(UserFactory.create(username="ada"))
    assert User.objects.filter(username="ada").exists()
    answer = Answered(capfd, "/portal/", cookie=f"sessionid={client.cookies['sessionid'].value}")
    assert answer.line["caller"] == "ada"


def test_predictions_of_a_call_are_found(admin_client: Client) -> None:
    found = PredictionFactory.create(request_id="order-17")
    PredictionFactory.create(request_id="order-18")
    PredictionFactory.create()
    page = admin_client.get(reverse("predictions:prediction-list"), {"request_id": "order-17"})
    assert [row.pk for row in page.context["results"].rows] == [found.pk]
    detail = admin_client.get(reverse("predictions:prediction-detail", args=[found.pk])).content.decode()
    assert "order-17" in detail
    listed = admin_client.get("/api/predictions", {"request_id": "order-17"}).json()["results"]
    assert [(row["id"], row["request_id"]) for row in listed] == [(str(found.pk), "order-17")]
    for strange in ("order-1", "a\x00b", "x" * 100):
        assert admin_client.get("/api/predictions", {"request_id": strange}).json()["results"] == []
