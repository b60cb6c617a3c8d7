"""POST /predict: answers, the log behind them, and every documented refusal."""

from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from predictions.models import Prediction
from predictions.serving.live_models import live_models
from tests.integration.conftest import Post, problem_of
from tests.support.factories import tiny, trained_version
from training.models import Classifier, Version

pytestmark = pytest.mark.dialect

JSON_CASES: dict[str, tuple[bytes, str]] = {
    "J01 blank": (b" ", "not JSON"),
    "J29 byte order mark": (b'\xef\xbb\xbf{"features": {}}', "not JSON"),
    "UTF-16": ('{"features": {}}'.encode("utf-16"), "not UTF-8"),
    "J02 truncated": (b'{"features": {"tenure": 5', "not JSON"),
    "J03 array on top": (b"[]", "not an object"),
    "J04 null on top": (b"null", "not an object"),
    "J05 NaN": (b'{"features": {"tenure": NaN}}', "NaN is not JSON"),
    "J06 Infinity": (b'{"features": {"tenure": -Infinity}}', "Infinity is not JSON"),
    "J18 duplicate key": (b'{"features": {"tenure": 1, "tenure": 2}}', 'duplicate name "tenure"'),
    "J18 duplicate key, escaped": (
        b'{"features": {"tenure": 1, "\\u0074enure": 2}}',
        'duplicate name "tenure"',
    ),
    "J14 depth 100,000": (b"[" * 100_000, "nested too deeply"),
    "J14 depth 1,000, closed": (b"[" * 1_000 + b"]" * 1_000, "nested too deeply"),
    "J14 depth 1,000, closed, with a backslash": (
        b"[" * 1_000 + b'"\\n"' + b"]" * 1_000,
        "nested too deeply",
    ),
    "J15 lone surrogate": (b'{"features": {"plan": "\\ud800"}}', "surrogate"),
    "J28 invalid UTF-8": (b'{"features": {"plan": "\xff"}}', "not UTF-8"),
    "features missing": (b"{}", '"features" is missing'),
    "features no object": (b'{"features": [1]}', "not an object"),
    "unknown member": (b'{"features": {}, "feature": 1}', '"feature"'),
    "model no text": (b'{"features": {}, "model": 3}', '"model"'),
    "version no number": (b'{"features": {}, "version": "3"}', '"version"'),
    "version true": (b'{"features": {}, "version": true}', '"version"'),
}
VALUE_CASES: dict[str, tuple[str, bytes, str]] = {
    "J09 true for a number": ("spend", b"true", "not_a_number"),
    "text for a number": ("spend", b'"1"', "not_a_number"),
    "J10 text with underscore": ("spend", b'"1_000"', "not_a_number"),
    "J11 Arabic digits": ("spend", '"١٢"'.encode(), "not_a_number"),
    "J08 text nan": ("spend", b'"nan"', "not_a_number"),
    "J07 1e999": ("spend", b"1e999", "not_finite"),
    "J12 5,000 digits": ("spend", b"9" * 5_000, "not_finite"),
    "half for an integer": ("tenure", b"5.5", "not_an_integer"),
    "J22 null if the value is missing": ("tenure", b"null", "null_not_allowed"),
    "number for a boolean": ("member", b"1", "not_a_boolean"),
    "number for a text": ("plan", b"1", "not_text"),
    "list for a text": ("plan", b'["basic"]', "not_text"),
    "object for a number": ("spend", b"{}", "not_a_number"),
    "J16 NUL in a text": ("plan", b'"\\u0000"', "invalid_text"),
    "J23 1 MB text": ("plan", b'"' + b"x" * 1_000_000 + b'"', "too_long"),
}


def test_a_record_is_answered_with_the_version_that_gave_it(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    response = post("/predict", {"features": example})
    assert response.status_code == 200, response.content
    body = response.json()
    assert (body["model"], body["version"], body["threshold"]) == ("churn", version.number, 0.5)
    assert set(body["probabilities"]) == {"no", "yes"}
    assert sum(body["probabilities"].values()) == pytest.approx(1)
    assert body["probability"] == body["probabilities"][body["label"]]
    assert body["warnings"] == []


def test_the_answer_is_the_pipelines_own(post: Post, version: Version, example: dict[str, Any]) -> None:
    expected = tiny().trained.pipeline.predict_proba(tiny().contract.frame([example]))[0]
    body = post("/predict", {"features": example}).json()
    assert list(body["probabilities"].values()) == pytest.approx(expected.tolist(), abs=1e-12)


def test_every_answer_is_a_row_of_the_log(post: Post, version: Version, example: dict[str, Any]) -> None:
    body = post("/predict", {"features": example}).json()
    row = Prediction.objects.get(pk=UUID(body["prediction_id"]))
    assert (row.features, row.label, row.probabilities) == (example, body["label"], body["probabilities"])
    assert (row.version_id, row.source, row.caller, row.batch_id) == (version.pk, "api", post_name(), None)
    assert row.latency_ms > 0


def test_null_is_accepted_where_training_saw_missing_values(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    response = post("/predict", {"features": {**example, "spend": None, "plan": None}})
    assert response.status_code == 200, response.content


@pytest.mark.parametrize(
    ("feature", "value", "code"),
    [
        ("plan", "gold", "unknown_category"),
        ("tenure", 2**63, "out_of_range"),
        ("spend", -1e6, "out_of_range"),
    ],
)
@pytest.mark.case("J13")
def test_what_training_never_saw_is_answered_with_a_warning(
    post: Post, version: Version, example: dict[str, Any], feature: str, value: Any, code: str
) -> None:
    response = post("/predict", {"features": {**example, feature: value}})
    assert response.status_code == 200, response.content
    assert [(warning["feature"], warning["code"]) for warning in response.json()["warnings"]] == [
        (feature, code)
    ]


def test_a_strict_classifier_refuses_what_training_never_saw(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    Classifier.objects.update(strict=True)
    body = problem_of(post("/predict", {"features": {**example, "plan": "gold"}}), 422)
    assert body["errors"][0]["code"] == "unknown_category"
    assert not Prediction.objects.exists()


@pytest.mark.promise(8)
@pytest.mark.parametrize("case", JSON_CASES)
def test_a_body_that_is_no_such_json_is_refused(post: Post, version: Version, case: str) -> None:
    body, words = JSON_CASES[case]
    assert words in problem_of(post("/predict", body), 400)["detail"]
    assert not Prediction.objects.exists()


@pytest.mark.promise(8)
@pytest.mark.parametrize("case", VALUE_CASES)
def test_a_value_that_the_contract_refuses_is_named(
    post: Post, version: Version, example: dict[str, Any], case: str
) -> None:
    feature, value, code = VALUE_CASES[case]
    rest = {name: item for name, item in example.items() if name != feature}
    body = b'{"features": {"%s": %s, %s}}' % (feature.encode(), value, _members(rest))
    faults = problem_of(post("/predict", body), 422)["errors"]
    assert [(fault["row"], fault["feature"], fault["code"]) for fault in faults] == [(0, feature, code)]
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("name", ["__proto__", "spend\x00", "Spend", ""])
@pytest.mark.case("J17", "J20", "J21")
def test_an_unknown_feature_is_refused(
    post: Post, version: Version, example: dict[str, Any], name: str
) -> None:
    faults = problem_of(post("/predict", {"features": {**example, name: 1}}), 422)["errors"]
    assert [(fault["feature"], fault["code"]) for fault in faults] == [(name, "unknown_feature")]


@pytest.mark.case("J19")
def test_every_missing_feature_is_named(post: Post, version: Version) -> None:
    faults = problem_of(post("/predict", {"features": {}}), 422)["errors"]
    assert [fault["feature"] for fault in faults] == tiny().contract.names
    assert {fault["code"] for fault in faults} == {"missing"}


@pytest.mark.promise(8)
@pytest.mark.case("J24")
def test_a_body_over_the_limit_is_too_large(post: Post, version: Version, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert "CLFSITE_BODY_BYTES" in problem_of(post("/predict", b" " * 101), 413)["detail"]


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("text/plain", {}),
        ("application/x-www-form-urlencoded", {}),
        ("application/json; charset=latin-1", {}),
        ("application/json", {"content-encoding": "br"}),
    ],
)
@pytest.mark.case("J30", "J31", "J33")
def test_another_media_type_is_refused(
    post: Post, version: Version, content_type: str, headers: dict[str, str]
) -> None:
    problem_of(post("/predict", b"{}", content_type=content_type, **headers), 415)


@pytest.mark.parametrize("accept", ["text/xml", "application/xml", "application/json;q=0"])
@pytest.mark.case("J32")
def test_an_answer_in_another_format_cannot_be_had(
    post: Post, version: Version, example: dict[str, Any], accept: str
) -> None:
    problem_of(post("/predict", {"features": example}, accept=accept), 406)
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, application/json;q=0.5", ""])
def test_json_is_sent_wherever_it_is_accepted(
    post: Post, version: Version, example: dict[str, Any], accept: str
) -> None:
    assert post("/predict", {"features": example}, accept=accept).status_code == 200


def test_a_slash_at_the_end_is_no_redirect(post: Post, version: Version, example: dict[str, Any]) -> None:
    assert post("/predict/", {"features": example}).status_code == 200


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
@pytest.mark.case("U10")
def test_another_method_is_not_allowed(client: Client, db: None, method: str) -> None:
    response = getattr(client, method)("/predict")
    problem_of(response, 405)
    assert response["Allow"] == "POST"


@pytest.mark.case("J35")
def test_without_an_active_version_the_site_is_not_able_to_answer(
    post: Post, example: dict[str, Any]
) -> None:
    response = post("/predict", {"features": example})
    assert "no version" in problem_of(response, 503)["detail"]
    assert int(response["Retry-After"]) > 0


def test_an_unknown_classifier_is_not_found(post: Post, version: Version, example: dict[str, Any]) -> None:
    assert "'other'" in problem_of(post("/predict", {"features": example, "model": "other"}), 404)["detail"]


def test_a_pinned_version_answers_though_another_is_active(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    second = trained_version(classifier="churn", activate=True)
    assert post("/predict", {"features": example}).json()["version"] == second.number
    assert (
        post("/predict", {"features": example, "version": version.number}).json()["version"] == version.number
    )
    problem_of(post("/predict", {"features": example, "version": 99}), 404)


def test_a_warm_prediction_costs_one_message_on_postgresql_and_a_transaction_on_sqlite(
    post: Post, version: Version, example: dict[str, Any], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    post("/predict", {"features": example})
    live_models._checked += 60  # the look for a new activation is not due
    # the row and its count; SQLite's in a savepoint of the test's transaction
    with django_assert_num_queries(1 if connection.vendor == "postgresql" else 4):
        post("/predict", {"features": example})


def post_name() -> str:
    """The name of the fixture's key."""
    return Prediction.objects.values_list("caller", flat=True).get()


def _members(record: dict[str, Any]) -> bytes:

    return orjson.dumps(record)[1:-1]
