"""POST /predict-batch: in order, all or none, and within its limit."""

from typing import Any

import pytest

from predictions.log.writing.rows import ROWS_OF_PIECE
from predictions.models import Prediction
from predictions.serving.predict import ROWS_FOR_COLUMNS
from tests.integration.conftest import Post, problem_of
from training.models import Classifier, Version

pytestmark = pytest.mark.dialect


def test_records_are_answered_in_order_and_logged(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    records = [{**example, "tenure": tenure} for tenure in range(1, 51)]
    body = post("/predict-batch", {"records": records, "model": "churn"}).json()
    assert (body["model"], body["version"], len(body["predictions"])) == ("churn", version.number, 50)
    logged = Prediction.objects.in_bulk([prediction["prediction_id"] for prediction in body["predictions"]])
    by_id = {str(key): row for key, row in logged.items()}
    assert [by_id[prediction["prediction_id"]].features for prediction in body["predictions"]] == records


def test_a_batch_answers_each_record_as_a_single_call_does(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    records = [example, {**example, "spend": None, "tenure": 70}]
    together = post("/predict-batch", {"records": records}).json()["predictions"]
    alone = [post("/predict", {"features": record}).json() for record in records]
    assert [item["probabilities"] for item in together] == [item["probabilities"] for item in alone]


@pytest.mark.case("J27")
def test_one_bad_row_fails_the_request_and_every_bad_row_is_reported(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    records = [example, {**example, "spend": "much"}, example, {"spend": 1}]
    faults = problem_of(post("/predict-batch", {"records": records}), 422)["errors"]
    assert {fault["row"] for fault in faults} == {1, 3}
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("strict", [False, True])
def test_a_long_batch_is_judged_and_answered_as_a_short_one(
    post: Post, version: Version, example: dict[str, Any], strict: bool
) -> None:
    Classifier.objects.update(strict=strict)
    odd = [example, {**example, "spend": None}, {**example, "plan": "gold", "tenure": 2**63}]
    short = post("/predict-batch", {"records": odd})
    rest = [example] * ROWS_FOR_COLUMNS
    long = post("/predict-batch", {"records": [*odd, *rest]})
    assert short.status_code == long.status_code == (422 if strict else 200)
    if strict:
        assert long.json()["errors"] == short.json()["errors"]
        assert [fault["row"] for fault in long.json()["errors"]] == [2, 2]
        assert not Prediction.objects.exists()
        return
    for one, other in zip(short.json()["predictions"], long.json()["predictions"][:3], strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-12)
        assert one["warnings"] == other["warnings"]


def test_a_row_gets_the_same_answer_in_a_batch_as_alone(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    records = [{**example, "tenure": row % 72, "spend": None if row % 7 else 20.5} for row in range(350)]
    answers = post("/predict-batch", {"records": records}).json()["predictions"]
    assert len(answers) == len({answer["prediction_id"] for answer in answers}) == 350
    for row in (0, ROWS_OF_PIECE - 1, ROWS_OF_PIECE, 349):
        logged = Prediction.objects.get(pk=answers[row]["prediction_id"])
        alone = post("/predict", {"features": records[row]}).json()
        assert logged.features == records[row]
        assert alone["probabilities"] == pytest.approx(answers[row]["probabilities"], abs=1e-12)


@pytest.mark.parametrize("records", [[], {}, None, "x"])
@pytest.mark.case("J25")
def test_a_batch_without_records_is_malformed(post: Post, version: Version, records: Any) -> None:
    assert '"records"' in problem_of(post("/predict-batch", {"records": records}), 400)["detail"]


def test_a_record_that_is_no_object_is_named_by_its_row(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    faults = problem_of(post("/predict-batch", {"records": [example, 1, None]}), 400)["errors"]
    assert [fault["row"] for fault in faults] == [1, 2]


@pytest.mark.case("J26")
def test_one_record_over_the_limit_is_too_large(
    post: Post, version: Version, example: dict[str, Any], settings: Any
) -> None:
    settings.CLFSITE_BATCH_ROWS = 3
    assert post("/predict-batch", {"records": [example] * 3}).status_code == 200
    assert "limit of 3" in problem_of(post("/predict-batch", {"records": [example] * 4}), 413)["detail"]
