"""/invocations, /ping and /version: MLflow's shapes, and its errors for every bad input."""

import base64
import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.test import Client

from predictions.models import Prediction
from tests.integration.conftest import Post
from tests.support.factories import ApiKeyFactory, trained_version
from training.models import Classifier, Version

Record = dict[str, Any]

SHAPES: dict[str, Callable[[list[Record]], Any]] = {
    "dataframe_split": lambda records: {
        "columns": list(records[0]),
        "index": list(range(len(records))),
        "data": [list(record.values()) for record in records],
    },
    "dataframe_records": lambda records: records,
    "instances": lambda records: records,
    "inputs": lambda records: {name: [record[name] for record in records] for name in records[0]},
}
BODY_CASES: dict[str, tuple[Any, str]] = {
    "blank": (b" ", "not JSON"),
    "array on top": ([], "not an object"),
    "null on top": (None, "not an object"),
    "no rows": ({}, "no rows"),
    "two shapes": ({"inputs": [], "instances": []}, "instances and inputs"),
    "unknown member": ({"inputs": [], "signature_name": "x"}, '"signature_name"'),
    "Infinity": (b'{"inputs": {"spend": [Infinity]}}', "Infinity is not JSON"),
    "duplicate name": (b'{"inputs": {"spend": [1], "spend": [2]}}', 'duplicate name "spend"'),
    "params no object": ({"inputs": [{}], "params": [1]}, '"params" is not an object'),
    "unknown param": ({"inputs": [{}], "params": {"temperature": 1}}, '"temperature"'),
    "model no text": ({"inputs": [{}], "params": {"model": 1}}, '"model"'),
    "version no number": ({"inputs": [{}], "params": {"version": "1"}}, '"version"'),
    "unknown function": ({"inputs": [{}], "params": {"pyfunc_predict_fn": "score"}}, "predict_proba"),
    "function no text": ({"inputs": [{}], "params": {"pyfunc_predict_fn": ["x"]}}, "predict_proba"),
    "split no object": ({"dataframe_split": []}, "not an object"),
    "split without columns": ({"dataframe_split": {"data": [[1]]}}, '"columns"'),
    "split with more": ({"dataframe_split": {"columns": [], "data": [], "dtypes": []}}, '"dtypes"'),
    "columns no list": ({"dataframe_split": {"columns": "spend", "data": []}}, '"columns"'),
    "columns no texts": ({"dataframe_split": {"columns": [0, 1], "data": []}}, '"columns"'),
    "column twice": ({"dataframe_split": {"columns": ["a", "b", "b"], "data": []}}, '"b" more than once'),
    "data no list": ({"dataframe_split": {"columns": ["a"], "data": {}}}, '"data"'),
    "data empty": ({"dataframe_split": {"columns": ["a"], "data": []}}, "no row"),
    "row no list": ({"dataframe_split": {"columns": ["a"], "data": [1]}}, "row 0"),
    "row short": ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [1]]}}, "row 1"),
    "records no list": ({"dataframe_records": {"a": [1]}}, "not a list of row objects"),
    "records empty": ({"dataframe_records": []}, "no row"),
    "record no object": ({"dataframe_records": [{}, 1]}, "row 1"),
    "bare values": ({"inputs": [[1, 2]]}, '"dataframe_split"'),
    "inputs text": ({"inputs": "x"}, '"inputs"'),
    "inputs empty": ({"inputs": {}}, "no row"),
    "inputs of empty lists": ({"inputs": {"a": []}}, "no row"),
    "inputs of different lengths": ({"inputs": {"a": [1], "b": [1, 2]}}, "differ"),
    "inputs partly single": ({"inputs": {"a": [1], "b": 1}}, '"b"'),
}
CSV_CASES: dict[str, tuple[bytes, str]] = {
    "blank": (b" ", "empty"),
    "header only": (b"spend,tenure,member,plan\n", "no rows"),
    "short row": (b"spend,tenure,member,plan\n1,2\n", "line 2"),
    "unclosed quote": (b'spend,tenure,member,plan\n1,2,true,"x\n', "quote"),
    "not UTF-8": (b"spend,tenure,member,plan\n1,2,true,\xff\n", "not UTF-8"),
    "NUL": (b"spend,tenure,member,plan\n1,2,true,\x00\n", "NUL"),
    "zip": (b"PK\x03\x04", "zip"),
    "duplicate column": (b"spend,spend\n1,2\n", "duplicate name"),
}


def error_of(response: Any, status: int, code: str = "BAD_REQUEST") -> str:
    """The message of a refusal, checked for its shape; nothing was stored."""
    assert response.status_code == status, response.content[:500]
    assert response["Content-Type"] == "application/json"
    body = orjson.loads(response.content)
    assert set(body) == {"error_code", "message"}
    assert body["error_code"] == code
    assert not Prediction.objects.exists()
    return str(body["message"])


@pytest.fixture
def records(example: Record) -> list[Record]:
    """Rows that the contract accepts, with a value missing."""
    return [example, {**example, "spend": None, "tenure": 70}, {**example, "plan": "pro", "member": True}]


@pytest.mark.promise(13)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_answered_as_predict_batch_does(
    post: Post, version: Version, records: list[Record], shape: str
) -> None:
    expected = post("/predict-batch", {"records": records}).json()["predictions"]
    body = {shape: SHAPES[shape](records)}
    assert post("/invocations", body).json() == {"predictions": [answer["label"] for answer in expected]}
    body["params"] = {"pyfunc_predict_fn": "predict_proba"}
    assert post("/invocations", body).json() == {
        "predictions": [list(answer["probabilities"].values()) for answer in expected]
    }


def test_answers_are_logged_with_their_source(post: Post, version: Version, records: list[Record]) -> None:
    post("/invocations", {"dataframe_records": records})
    logged = list(Prediction.objects.order_by("id"))
    assert [row.features for row in logged] == records
    assert {row.source for row in logged} == {"mlflow"}


def test_columns_are_read_in_the_requests_own_order(
    post: Post, version: Version, records: list[Record]
) -> None:
    turned = [dict(reversed(record.items())) for record in records]
    straight = post("/invocations", {"dataframe_split": SHAPES["dataframe_split"](records)}).json()
    assert post("/invocations", {"dataframe_split": SHAPES["dataframe_split"](turned)}).json() == straight


def test_a_literal_nan_is_a_missing_value(post: Post, version: Version, records: list[Record]) -> None:
    split = SHAPES["dataframe_split"]([{**records[1], "spend": float("nan")}])
    response = post("/invocations", json.dumps({"dataframe_split": split}).encode())
    assert response.status_code == 200, response.content
    assert Prediction.objects.get().features["spend"] is None


def test_a_literal_nan_where_training_saw_no_missing_value_is_refused(
    post: Post, version: Version, example: Record
) -> None:
    split = SHAPES["dataframe_split"]([{**example, "tenure": float("nan")}])
    message = error_of(post("/invocations", json.dumps({"dataframe_split": split}).encode()), 422)
    assert "row 0, tenure" in message


def test_one_row_of_single_values_is_answered(post: Post, version: Version, example: Record) -> None:
    assert len(post("/invocations", {"inputs": example}).json()["predictions"]) == 1


def test_params_choose_classifier_and_version(post: Post, version: Version, example: Record) -> None:
    other = trained_version(classifier="other", activate=True)
    trained_version(classifier="other", activate=True)
    params = {"model": "other", "version": other.number}
    assert post("/invocations", {"inputs": [example], "params": params}).status_code == 200
    assert Prediction.objects.get().version_id == other.pk


@pytest.mark.parametrize("params", [{"model": "nobody"}, {"version": 99}])
def test_an_unknown_classifier_or_version_is_not_found(
    post: Post, version: Version, example: Record, params: Any
) -> None:
    response = post("/invocations", {"inputs": [example], "params": params})
    error_of(response, 404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("case", BODY_CASES)
def test_a_body_of_no_such_shape_is_refused(post: Post, version: Version, case: str) -> None:
    body, words = BODY_CASES[case]
    assert words in error_of(post("/invocations", body), 400)


@pytest.mark.parametrize("shape", SHAPES)
def test_missing_and_unknown_columns_are_named(
    post: Post, version: Version, records: list[Record], shape: str
) -> None:
    bad = [
        {"colour": "red", **{name: record[name] for name in record if name != "plan"}} for record in records
    ]
    message = error_of(post("/invocations", {shape: SHAPES[shape](bad)}), 422)
    assert "plan: " in message
    assert "colour: " in message


def test_values_that_the_contract_refuses_are_named_by_row(
    post: Post, version: Version, example: Record
) -> None:
    rows = [{**example, "spend": "much"} for _ in range(12)]
    message = error_of(post("/invocations", {"dataframe_records": [example, *rows]}), 422)
    assert 'row 1, spend: expected a number, got "much"' in message
    assert "row 10," in message
    assert "row 11," not in message
    assert "and 2 more" in message


def test_csv_is_read_as_a_file_to_score(post: Post, version: Version, example: Record) -> None:
    text = "plan;left;tenure;member;spend\npro;yes;5;true;80.5\n;no;6;false;\n"
    response = post("/invocations", text.encode(), content_type="text/csv; charset=utf-8")
    assert response.status_code == 200, response.content
    expected = [
        {"spend": 80.5, "tenure": 5, "member": True, "plan": "pro"},
        {"spend": None, "tenure": 6, "member": False, "plan": None},
    ]
    assert [row.features for row in Prediction.objects.order_by("id")] == expected


@pytest.mark.parametrize("case", CSV_CASES)
def test_a_malformed_csv_is_refused(post: Post, version: Version, case: str) -> None:
    content, words = CSV_CASES[case]
    assert words in error_of(post("/invocations", content, content_type="text/csv"), 400)


def test_csv_columns_and_cells_are_judged_by_the_contract(post: Post, version: Version) -> None:
    columns = post("/invocations", b"spend,tenure,colour\n1,2,red\n", content_type="text/csv")
    message = error_of(columns, 422)
    assert "plan: " in message
    assert "colour: " in message
    cells = b"spend,tenure,member,plan\n1,2,true,pro\nmuch,,true,pro\n"
    message = error_of(post("/invocations", cells, content_type="text/csv"), 422)
    assert "row 1, spend" in message
    assert "row 1, tenure" in message


@pytest.mark.parametrize("shape", [*SHAPES, "csv"])
def test_one_row_over_the_limit_is_too_large(
    post: Post, version: Version, example: Record, settings: Any, shape: str
) -> None:
    settings.CLFSITE_BATCH_ROWS = 2
    if shape == "csv":
        row = b"1,2,true,pro\n"
        response = post("/invocations", b"spend,tenure,member,plan\n" + row * 3, content_type="text/csv")
    else:
        response = post("/invocations", {shape: SHAPES[shape]([example] * 3)})
    assert "limit of 2" in error_of(response, 413)


def test_a_body_over_the_limit_is_too_large(post: Post, version: Version, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert "CLFSITE_BODY_BYTES" in error_of(post("/invocations", b" " * 101), 413)


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("application/vnd.apache.parquet", {}),
        ("application/x-www-form-urlencoded", {}),
        ("text/csv; charset=latin-1", {}),
        ("text/csv", {"content-encoding": "br"}),
    ],
)
def test_another_media_type_is_refused(
    post: Post, version: Version, content_type: str, headers: dict[str, str]
) -> None:
    error_of(post("/invocations", b"{}", content_type=content_type, **headers), 415)


def test_a_client_that_takes_no_json_is_refused(post: Post, version: Version, example: Record) -> None:
    error_of(post("/invocations", {"inputs": [example]}, accept="text/xml"), 406)


def test_another_method_is_not_allowed(client: Client, db: None) -> None:
    response = client.get("/invocations")
    error_of(response, 405)
    assert response["Allow"] == "POST"


def test_without_a_key_nothing_is_answered(post: Post, version: Version, example: Record) -> None:
    response = post("/invocations", {"inputs": [example]}, key="")
    error_of(response, 401, "UNAUTHENTICATED")
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_key_needs_the_scope_predict(post: Post, version: Version, example: Record) -> None:
    ApiKeyFactory.create(secret="clf_reader", scopes=("read",))
    error_of(post("/invocations", {"inputs": [example]}, key="clf_reader"), 403, "PERMISSION_DENIED")


def test_the_key_may_come_as_a_password(post: Post, version: Version, example: Record) -> None:
    ApiKeyFactory.create(name="basic", secret="clf_basic")
    login = base64.b64encode(b"anyone:clf_basic").decode()
    assert (
        post("/invocations", {"inputs": [example]}, key="", authorization=f"Basic {login}").status_code == 200
    )
    assert Prediction.objects.get().caller == "basic"


@pytest.mark.parametrize("login", ["", "%%%", "Y2xmX2Jhc2lj", base64.b64encode(b"a:wrong").decode(), "/w=="])
def test_a_password_that_is_no_key_is_refused(
    post: Post, version: Version, example: Record, login: str
) -> None:
    response = post("/invocations", {"inputs": [example]}, key="", authorization=f"Basic {login}")
    error_of(response, 401, "UNAUTHENTICATED")


def test_a_password_is_no_key_for_the_other_calls(post: Post, version: Version, example: Record) -> None:
    ApiKeyFactory.create(secret="clf_basic")
    login = base64.b64encode(b"anyone:clf_basic").decode()
    assert post("/predict", {"features": example}, key="", authorization=f"Basic {login}").status_code == 401


def test_a_strict_classifier_refuses_what_training_never_saw(
    post: Post, version: Version, example: Record
) -> None:
    Classifier.objects.update(strict=True)
    assert "row 0, plan" in error_of(post("/invocations", {"inputs": [{**example, "plan": "gold"}]}), 422)


def test_ping_needs_no_key_and_answers_whether_the_site_can(client: Client, version: Version) -> None:
    assert client.get("/ping").status_code == 200
    assert client.head("/ping").status_code == 200


def test_ping_without_an_active_version_is_unavailable(client: Client, db: None) -> None:
    response = client.get("/ping")
    assert "no version" in error_of(response, 503, "TEMPORARILY_UNAVAILABLE")
    assert int(response["Retry-After"]) > 0


def test_without_an_active_version_nothing_is_answered(post: Post, example: Record) -> None:
    error_of(post("/invocations", {"inputs": [example]}), 503, "TEMPORARILY_UNAVAILABLE")


def test_version_is_text_that_compares_as_mlflow_two(client: Client) -> None:
    response = client.get("/version", headers={"accept": "text/plain"})
    assert response["Content-Type"] == "text/plain"
    assert response.content.decode().split(".")[0] == "2"
