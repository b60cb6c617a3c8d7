"""Serving calls on the event loop: they share their steps, leave the loop for the database, and end by themselves."""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from predictions.keys import service as keys
from predictions.log.writing import group_commit
from predictions.log.writing.rows import LogRows
from predictions.models import Prediction
from predictions.serving import loop, metrics
from predictions.serving.live_models import live_models
from predictions.serving.loop import QUICK_BYTES
from tests.support.factories import ApiKeyFactory, tiny, trained_version
from tests.support.rsgi import ask, ask_all, request

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.dialect]
HEADERS = {"authorization": "Bearer clf_caller", "content-type": "application/json"}


@pytest.fixture(autouse=True)
def _served() -> Iterable[None]:
    """A loaded version and a known key, as the follower keeps them."""
    trained_version(classifier="churn", activate=True, default=True)
    ApiKeyFactory.create(secret="clf_caller", scopes=("predict",))
    keys.forget()
    keys.recognise("clf_caller")
    live_models.forget()
    live_models.refresh()
    yield
    keys.forget()
    live_models.forget()
    group_commit.log.stop()


def body(**more: Any) -> bytes:
    return json.dumps({"features": tiny().contract.example, **more}).encode()


def observed(histogram: Any) -> tuple[float, float]:
    """The number of observations of a histogram, and their sum."""
    samples = {sample.name: sample.value for metric in histogram.collect() for sample in metric.samples}
    return samples[f"{histogram._name}_count"], samples[f"{histogram._name}_sum"]


def test_calls_of_a_turn_share_a_call_of_the_engine_and_a_commit() -> None:
    ask("/predict", body(), headers=HEADERS)  # measures how long a row takes
    before = observed(metrics.engine_rows), observed(metrics.commit_rows)
    answers = ask_all([request("/predict", body(reference=f"r{row}"), headers=HEADERS) for row in range(5)])
    after = observed(metrics.engine_rows), observed(metrics.commit_rows)
    assert [answer.status for answer in answers] == [200] * 5
    for (calls, rows), (calls_after, rows_after) in zip(before, after, strict=True):
        assert (calls_after - calls, rows_after - rows) == (1, 5)
    for row, answer in enumerate(answers):
        told = json.loads(answer.content)
        assert told["reference"] == f"r{row}"
        assert Prediction.objects.get(pk=told["prediction_id"]).reference == f"r{row}"


def test_a_refused_row_does_not_fail_the_others_of_its_turn() -> None:
    answers = ask_all(
        [
            request("/predict", data, headers=HEADERS)
            for data in (body(), b'{"features": {}}', b"{", body(model="nothing"), body())
        ]
    )
    assert [answer.status for answer in answers] == [200, 422, 400, 404, 200]
    assert Prediction.objects.count() == 2


def test_a_pinned_version_and_an_unknown_key_are_looked_up_in_a_thread() -> None:
    keys.forget()
    assert ask("/predict", body(version=1), headers=HEADERS).status == 200
    assert ask("/predict", body(), headers={**HEADERS, "authorization": "Bearer clf_no"}).status == 401
    repeated = {**HEADERS, "idempotency-key": "once"}
    first, second = (ask("/predict", body(), headers=repeated) for _ in range(2))
    assert (first.content, second.headers["idempotency-replayed"]) == (second.content, "true")
    assert Prediction.objects.count() == 2


def test_a_database_that_is_away_is_told_within_the_deadline(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLFSITE_LOG_SECONDS = 1

    def away(blocks: Sequence[LogRows]) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(group_commit, "write", away)
        began = time.monotonic()
        answer = ask("/predict", body(), headers=HEADERS)
        assert time.monotonic() - began < 3
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert b"did not confirm the prediction within 1 s" in answer.content
    assert group_commit.log.rows == 0
    assert ask("/predict", body(), headers=HEADERS).status == 200


def test_the_short_body_of_a_refused_call_is_read_so_that_its_connection_stays_open() -> None:
    unknown = {**HEADERS, "authorization": "Bearer clf_no"}
    short, long = (request("/predict", data, headers=unknown) for data in (body(), b" " * (QUICK_BYTES + 1)))
    assert [answer.status for answer in ask_all([short, long])] == [401, 401]
    assert short[1].was_asked
    assert not long[1].was_asked


def test_a_refused_call_waits_only_so_long_for_its_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "REFUSED_SECONDS", 0.1)
    scope, protocol = request("/predict", body(), headers={**HEADERS, "authorization": "Bearer clf_no"})
    protocol.delay = 30
    began = time.monotonic()
    assert [answer.status for answer in ask_all([(scope, protocol)])] == [401]
    assert time.monotonic() - began < 10
