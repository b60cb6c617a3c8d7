"""`Idempotency-Key` on the serving calls: one call, one prediction, one answer."""

import threading
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from predictions.models import HourlyCount, KeptAnswer, Prediction
from predictions.monitoring.counts import collect
from predictions.serving import idempotency
from predictions.serving import predict as services
from tests.integration.conftest import Post, problem_of
from tests.support.factories import ApiKeyFactory, trained_version
from training.models import Version

pytestmark = pytest.mark.dialect

ONCE = {"Idempotency-Key": "order 66"}


@pytest.mark.parametrize(("path", "wrap"), [("/predict", "features"), ("/predict-batch", "records")])
@pytest.mark.case("U29")
def test_the_same_call_is_carried_out_once(
    post: Post, version: Version, example: dict[str, Any], path: str, wrap: str
) -> None:
    body = {wrap: example if wrap == "features" else [example, example]}
    first, second = post(path, body, **ONCE), post(f"{path}/", body, **ONCE)
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert Prediction.objects.count() == (1 if wrap == "features" else 2)


@pytest.mark.case("U30")
def test_another_body_under_the_same_key_is_refused(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    post("/predict", {"features": example}, **ONCE)
    problem = problem_of(post("/predict", {"features": example, "model": "churn"}, **ONCE), 422)
    assert "another body" in problem["detail"]
    assert Prediction.objects.count() == 1


def test_callers_do_not_share_keys(post: Post, version: Version, example: dict[str, Any]) -> None:
    ApiKeyFactory.create(secret="clf_other")
    first = post("/predict", {"features": example}, **ONCE)
    second = post("/predict", {"features": example}, key="clf_other", **ONCE)
    assert first.json()["prediction_id"] != second.json()["prediction_id"]


def test_a_refused_call_leaves_its_key_free(post: Post, version: Version, example: dict[str, Any]) -> None:
    problem_of(post("/predict", {"features": {}}, **ONCE), 422)
    assert post("/predict", {"features": example}, **ONCE).status_code == 200


@pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel"])
def test_a_header_that_is_no_key_is_malformed(
    post: Post, version: Version, example: dict[str, Any], key: str
) -> None:
    problem_of(post("/predict", {"features": example}, **{"Idempotency-Key": key}), 400)
    assert not Prediction.objects.exists()


def test_an_answer_is_kept_for_a_day(post: Post, version: Version, example: dict[str, Any]) -> None:
    post("/predict", {"features": example}, **ONCE)
    KeptAnswer.objects.update(created_at=timezone.now() - idempotency.KEPT - timedelta(seconds=1))
    assert "Idempotency-Replayed" not in post("/predict", {"features": example}, **ONCE)
    assert Prediction.objects.count() == 2
    KeptAnswer.objects.update(created_at=timezone.now() - idempotency.KEPT - timedelta(seconds=1))
    assert idempotency.forget_old() == 1


@pytest.mark.case("U31")
def test_a_call_under_way_is_a_conflict(
    post: Post, version: Version, example: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = []
    predict = services.predict

    def predict_and_ask_again(query: services.Query, write: Any) -> Any:
        monkeypatch.setattr(services, "predict", predict)
        answers.append(post("/predict", {"features": example}, **ONCE))
        return predict(query, write)

    monkeypatch.setattr(services, "predict", predict_and_ask_again)
    assert post("/predict", {"features": example}, **ONCE).status_code == 200
    problem_of(answers[0], 409)
    assert Prediction.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_sixteen_retries_at_once_make_one_prediction(example: dict[str, Any]) -> None:
    trained_version(classifier="churn", activate=True, default=True)
    ApiKeyFactory.create(secret="clf_caller")
    headers = {"authorization": "Bearer clf_caller", **ONCE}
    body, answers = orjson.dumps({"features": example}), []

    def call() -> None:
        answers.append(Client().post("/predict", body, content_type="application/json", headers=headers))
        connections.close_all()

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    collect()
    assert Prediction.objects.count() == HourlyCount.objects.get().predictions == 1
