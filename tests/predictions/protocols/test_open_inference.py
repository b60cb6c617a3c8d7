"""/v2: tensors in JSON and in bytes, the outputs in both, and the protocol's error for every bad input."""

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from django.test import Client

from predictions.models import Prediction
from tests.factories import ApiKeyFactory, tiny, trained_version
from tests.predictions.conftest import SECRET, Post
from training.models import Classifier, Version

Record = dict[str, Any]
Get = Callable[[str], Any]
INFER = "/v2/models/churn/infer"
DATATYPES = {"spend": "FP64", "tenure": "INT64", "member": "BOOL", "plan": "BYTES"}
DTYPES = {
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "INT8": "<i1",
    "INT64": "<i8",
    "UINT16": "<u2",
    "BOOL": "?",
}
# a change of one input of the example, or of the body; and words of the refusal
INPUT_CASES: dict[str, tuple[Record, str]] = {
    "no name": ({"name": None}, '"name"'),
    "unknown name": ({"name": "colour"}, '"colour"'),
    "NUL in the name": ({"name": "spend\x00"}, "no input"),
    "unknown member": ({"dtype": "FP64"}, '"dtype"'),
    "unknown datatype": ({"datatype": "BF16"}, "FP64"),
    "no datatype": ({"datatype": None}, "datatype"),
    "datatype a list": ({"datatype": ["FP64"]}, "datatype"),
    "text for a number": ({"datatype": "BYTES", "data": ["1"]}, "expected FP16"),
    "boolean for a number": ({"datatype": "BOOL", "data": [True]}, "expected FP16"),
    "no shape": ({"shape": None}, "[n, 1]"),
    "scalar shape": ({"shape": []}, "[n, 1]"),
    "two values a row": ({"shape": [1, 2]}, "[n, 1]"),
    "three dimensions": ({"shape": [1, 1, 1]}, "[n, 1]"),
    "zero rows": ({"shape": [0]}, "[n, 1]"),
    "negative rows": ({"shape": [-1]}, "[n, 1]"),
    "rows no number": ({"shape": ["1"]}, "[n, 1]"),
    "rows true": ({"shape": [True]}, "[n, 1]"),
    "rows a fraction": ({"shape": [1.0]}, "[n, 1]"),
    "fewer values": ({"shape": [2]}, "1 values"),
    "more values": ({"data": [1.0, 2.0]}, "2 values"),
    "nested against the shape": ({"data": [[1.0]]}, "no FP64"),
    "data no list": ({"data": "1"}, "not a list"),
    "no data": ({"data": None}, "binary_data_size"),
    "data twice": ({"parameters": {"binary_data_size": 8}}, "either"),
    "text in FP64": ({"data": ["1"]}, "value 0"),
    "true in FP64": ({"data": [True]}, "value 0"),
    "fraction in INT64": ({"datatype": "INT64", "data": [1.5]}, "no INT64"),
    "true in INT64": ({"datatype": "INT64", "data": [True]}, "no INT64"),
    "300 in INT8": ({"datatype": "INT8", "data": [300]}, "no INT8"),
    "negative in UINT8": ({"datatype": "UINT8", "data": [-1]}, "no UINT8"),
    "parameters no object": ({"parameters": [1]}, '"parameters"'),
}
BODY_CASES: dict[str, tuple[Any, str]] = {
    "blank": (b" ", "not JSON"),
    "array on top": ([], "not an object"),
    "no inputs": ({}, '"inputs"'),
    "inputs no list": ({"inputs": {}}, '"inputs"'),
    "inputs empty": ({"inputs": []}, "no tensor for spend"),
    "input no object": ({"inputs": [1]}, "not an object"),
    "unknown member": ({"inputs": [], "input": []}, '"input"'),
    "id no text": ({"inputs": [], "id": 1}, '"id"'),
    "parameters no object": ({"inputs": [], "parameters": 1}, '"parameters"'),
    "outputs no list": ({"inputs": [], "outputs": {"name": "predict"}}, '"outputs"'),
    "output no object": ({"inputs": [], "outputs": ["predict"]}, '"outputs"'),
    "unknown output": ({"inputs": [], "outputs": [{"name": "logits"}]}, "'logits'"),
    "output twice": ({"inputs": [], "outputs": [{"name": "predict"}] * 2}, "twice"),
    "output parameters no object": (
        {"inputs": [], "outputs": [{"name": "predict", "parameters": 1}]},
        '"parameters"',
    ),
    "binary_data no boolean": (
        {"inputs": [], "outputs": [{"name": "predict", "parameters": {"binary_data": 1}}]},
        '"binary_data"',
    ),
    "binary_data_output no boolean": (
        {"inputs": [], "parameters": {"binary_data_output": "yes"}},
        '"binary_data_output"',
    ),
    "Infinity": (b'{"inputs": [{"name": "spend", "data": [Infinity]}]}', "Infinity"),
    "duplicate name": (b'{"inputs": [], "inputs": []}', "twice"),
}


def tensors(records: list[Record], **datatypes: str) -> list[Record]:
    """The records' JSON tensors."""
    return [
        {
            "name": name,
            "datatype": datatype,
            "shape": [len(records)],
            "data": [record[name] for record in records],
        }
        for name, datatype in {**DATATYPES, **datatypes}.items()
    ]


def packed(datatype: str, values: list[Any]) -> bytes:
    """The bytes of a binary tensor."""
    if datatype == "BYTES":
        texts = [value if isinstance(value, bytes) else value.encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(values, dtype=DTYPES[datatype]).tobytes()


def binary(inputs: list[Record], **rest: Any) -> tuple[bytes, dict[str, str]]:
    """A body with the same tensors in bytes, and its header."""
    raw = [packed(each["datatype"], each["data"]) for each in inputs]
    heads = [
        {
            **{key: value for key, value in each.items() if key != "data"},
            "parameters": {"binary_data_size": len(data)},
        }
        for each, data in zip(inputs, raw, strict=True)
    ]
    head = orjson.dumps({"inputs": heads, **rest})
    return head + b"".join(raw), {"inference-header-content-length": str(len(head))}


def error_of(response: Any, status: int) -> str:
    """The text of a refusal, checked for its shape; nothing was stored."""
    assert response.status_code == status, response.content[:500]
    assert response["Content-Type"] == "application/json"
    body = orjson.loads(response.content)
    assert list(body) == ["error"]
    assert isinstance(body["error"], str)
    assert not Prediction.objects.exists()
    return str(body["error"])


def outputs_of(response: Any) -> dict[str, Any]:
    """The JSON answer's outputs by name."""
    assert response.status_code == 200, response.content[:500]
    assert response["Content-Type"] == "application/json"
    return {output["name"]: output for output in response.json()["outputs"]}


@pytest.fixture
def get(post: Post) -> Get:
    """GET with the key of `post`."""
    return lambda address: Client().get(address, headers={"authorization": f"Bearer {SECRET}"})


@pytest.fixture
def records(example: Record) -> list[Record]:
    """Rows that the contract accepts."""
    return [example, {**example, "spend": 60.25, "tenure": 70}, {**example, "plan": "pro", "member": True}]


def test_rows_are_answered_as_predict_batch_does(post: Post, version: Version, records: list[Record]) -> None:
    expected = post("/predict-batch", {"records": records}).json()["predictions"]
    response = post(INFER, {"id": "a-1", "inputs": tensors(records)})
    outputs = outputs_of(response)
    assert outputs["predict"]["data"] == [each["label"] for each in expected]
    assert (outputs["predict"]["datatype"], outputs["predict"]["shape"]) == ("BYTES", [3])
    proba = [share for each in expected for share in each["probabilities"].values()]
    assert outputs["predict_proba"]["data"] == proba
    assert (outputs["predict_proba"]["datatype"], outputs["predict_proba"]["shape"]) == ("FP64", [3, 2])
    body = response.json()
    assert (body["model_name"], body["model_version"], body["id"]) == ("churn", str(version.number), "a-1")


def test_answers_are_logged_with_their_source(post: Post, version: Version, records: list[Record]) -> None:
    post(INFER, {"inputs": tensors(records)})
    logged = list(Prediction.objects.order_by("id"))
    assert [row.features for row in logged] == records
    assert {row.source for row in logged} == {"open_inference"}


@pytest.mark.parametrize("content_type", ["application/octet-stream", "application/json", ""])
def test_binary_tensors_are_answered_as_json_ones(
    post: Post, version: Version, records: list[Record], content_type: str
) -> None:
    expected = outputs_of(post(INFER, {"inputs": tensors(records)}))
    body, headers = binary(tensors(records))
    assert outputs_of(post(INFER, body, content_type=content_type, **headers)) == expected
    logged = [row.features for row in Prediction.objects.order_by("id")]
    assert logged == [*records, *records]


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "INT8", "INT64", "UINT16"])
@pytest.mark.parametrize("raw", [False, True])
def test_every_datatype_of_a_number_is_read(
    post: Post, version: Version, records: list[Record], datatype: str, raw: bool
) -> None:
    whole = [{**record, "spend": 100, "tenure": 5} for record in records]
    inputs = tensors(whole, spend=datatype, tenure=datatype)
    body, headers = binary(inputs) if raw else ({"inputs": inputs}, {})
    outputs_of(post(INFER, body, **headers))
    assert [row.features["spend"] for row in Prediction.objects.all()] == [100] * 3


def test_a_column_of_one_value_a_row_may_have_two_dimensions(
    post: Post, version: Version, records: list[Record]
) -> None:
    expected = outputs_of(post(INFER, {"inputs": tensors(records)}))
    flat = [{**each, "shape": [3, 1]} for each in tensors(records)]
    nested = [{**each, "data": [[value] for value in each["data"]]} for each in flat]
    assert outputs_of(post(INFER, {"inputs": flat})) == expected
    assert outputs_of(post(INFER, {"inputs": nested})) == expected


@pytest.mark.parametrize("raw", [False, True])
def test_nan_in_a_floating_tensor_is_a_missing_value(
    post: Post, version: Version, example: Record, raw: bool
) -> None:
    inputs = tensors([{**example, "spend": float("nan")}])
    body, headers = binary(inputs) if raw else (json.dumps({"inputs": inputs}).encode(), {})
    outputs_of(post(INFER, body, **headers))
    assert Prediction.objects.get().features["spend"] is None


def test_nan_where_training_saw_no_missing_value_is_refused(
    post: Post, version: Version, example: Record
) -> None:
    body, headers = binary(tensors([{**example, "tenure": float("nan")}], tenure="FP64"))
    assert "row 0, tenure" in error_of(post(INFER, body, **headers), 422)


@pytest.mark.parametrize("text", ["", "nan", "None"])
def test_what_a_csv_reads_as_missing_is_missing_in_bytes(
    post: Post, version: Version, example: Record, text: str
) -> None:
    outputs_of(post(INFER, {"inputs": tensors([{**example, "plan": text}])}))
    assert Prediction.objects.get().features["plan"] is None


def test_a_boolean_that_may_be_missing_comes_as_a_number(
    post: Post, get: Get, version: Version, example: Record
) -> None:
    contract = tiny().contract.to_dict()
    next(each for each in contract["features"] if each["name"] == "member")["missing"] = True
    Version.objects.update(contract_data=contract)
    metadata = get("/v2/models/churn").json()
    assert {each["name"]: each["datatype"] for each in metadata["inputs"]}["member"] == "FP64"
    values = [1.0, 0.0, float("nan")]
    body, headers = binary(tensors([{**example, "member": value} for value in values], member="FP64"))
    outputs_of(post(INFER, body, **headers))
    assert [row.features["member"] for row in Prediction.objects.order_by("id")] == [True, False, None]


def test_requested_outputs_are_sent_in_their_order(
    post: Post, version: Version, records: list[Record]
) -> None:
    names = [{"name": "predict_proba"}, {"name": "predict"}]
    assert list(outputs_of(post(INFER, {"inputs": tensors(records), "outputs": names}))) == [
        "predict_proba",
        "predict",
    ]
    assert list(outputs_of(post(INFER, {"inputs": tensors(records), "outputs": names[1:]}))) == ["predict"]


def test_outputs_come_as_bytes_where_the_request_wants_them_so(
    post: Post, version: Version, records: list[Record]
) -> None:
    expected = outputs_of(post(INFER, {"inputs": tensors(records)}))
    response = post(INFER, {"inputs": tensors(records), "parameters": {"binary_data_output": True}})
    assert response["Content-Type"] == "application/octet-stream"
    end = int(response["Inference-Header-Content-Length"])
    head, raw = orjson.loads(response.content[:end]), response.content[end:]
    sizes = [output["parameters"]["binary_data_size"] for output in head["outputs"]]
    assert raw[: sizes[0]] == packed("BYTES", expected["predict"]["data"])
    assert raw[sizes[0] :] == packed("FP64", expected["predict_proba"]["data"])
    assert len(raw) == sum(sizes)


def test_an_output_may_come_in_json_beside_one_in_bytes(
    post: Post, version: Version, records: list[Record]
) -> None:
    outputs = [{"name": "predict"}, {"name": "predict_proba", "parameters": {"binary_data": True}}]
    response = post(INFER, {"inputs": tensors(records), "outputs": outputs})
    head = orjson.loads(response.content[: int(response["Inference-Header-Content-Length"])])
    assert "data" in head["outputs"][0]
    assert head["outputs"][1]["parameters"] == {"binary_data_size": 3 * 2 * 8}


def test_parameters_of_clients_are_no_error(post: Post, version: Version, example: Record) -> None:
    inputs = [{**each, "parameters": {"content_type": "pd"}} for each in tensors([example])]
    body = {"inputs": inputs, "parameters": {"priority": 1}, "model_name": "other", "model_version": "9"}
    outputs_of(post(INFER, body))


@pytest.mark.parametrize("case", INPUT_CASES)
def test_a_bad_tensor_is_refused(post: Post, version: Version, example: Record, case: str) -> None:
    change, words = INPUT_CASES[case]
    first, *others = tensors([example])
    assert words in error_of(post(INFER, {"inputs": [{**first, **change}, *others]}), 400)


@pytest.mark.parametrize("case", BODY_CASES)
def test_a_body_of_no_such_shape_is_refused(post: Post, version: Version, case: str) -> None:
    body, words = BODY_CASES[case]
    assert words in error_of(post(INFER, body), 400)


def test_an_input_too_few_too_many_or_twice_is_refused(post: Post, version: Version, example: Record) -> None:
    inputs = tensors([example])
    assert "no tensor for spend" in error_of(post(INFER, {"inputs": inputs[1:]}), 400)
    extra = {**inputs[0], "name": "colour"}
    assert '"colour"' in error_of(post(INFER, {"inputs": [*inputs, extra]}), 400)
    assert "twice" in error_of(post(INFER, {"inputs": [*inputs, inputs[0]]}), 400)


def test_tensors_of_different_lengths_are_refused(post: Post, version: Version, example: Record) -> None:
    inputs = [*tensors([example, example])[:1], *tensors([example])[1:]]
    assert '"tenure" holds 1 rows where "spend" holds 2' in error_of(post(INFER, {"inputs": inputs}), 400)


@pytest.mark.parametrize("length", ["-1", "x", "", "1.5", "9" * 40, "10000", "\u0661"])
def test_a_header_that_tells_no_length_is_refused(
    post: Post, version: Version, example: Record, length: str
) -> None:
    body, _ = binary(tensors([example]))
    response = post(INFER, body, **{"inference-header-content-length": length})
    assert "Inference-Header-Content-Length" in error_of(response, 400)


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_header_that_ends_beside_the_json_is_refused(
    post: Post, version: Version, example: Record, shift: int
) -> None:
    body, headers = binary(tensors([example]))
    length = int(headers["inference-header-content-length"]) + shift
    error_of(post(INFER, body, **{"inference-header-content-length": str(length)}), 400)


def test_binary_tensors_without_the_header_are_refused(post: Post, version: Version, example: Record) -> None:
    body, headers = binary(tensors([example]))
    head = body[: int(headers["inference-header-content-length"])]
    assert "Inference-Header-Content-Length" in error_of(post(INFER, head), 400)


@pytest.mark.parametrize("size", [-8, 0, 7, 9, 16, 10**15, True, "8", 8.0, None])
def test_a_lying_size_is_refused(post: Post, version: Version, example: Record, size: Any) -> None:
    inputs = tensors([example])
    raw = b"".join(packed(each["datatype"], each.pop("data")) for each in inputs)
    sizes = [size, 8, 1, 4 + len(example["plan"])]
    for each, own in zip(inputs, sizes, strict=True):
        each["parameters"] = {"binary_data_size": own}
    head = orjson.dumps({"inputs": inputs})
    error_of(post(INFER, head + raw, **{"inference-header-content-length": str(len(head))}), 400)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_truncated_tensors_are_refused(post: Post, version: Version, example: Record, cut: int) -> None:
    body, headers = binary(tensors([example]))
    assert "are left" in error_of(post(INFER, body[:-cut], **headers), 400)


def test_bytes_that_no_tensor_declares_are_refused(post: Post, version: Version, example: Record) -> None:
    body, headers = binary(tensors([example]))
    assert "1 bytes follow" in error_of(post(INFER, body + b"\x00", **headers), 400)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x05\x00\x00\x00basi", "middle of value 0"),
        (b"\xff\xff\xff\xffbasic", "middle of value 0"),
        (b"\x05\x00", "middle of value 0"),
        (b"", "0 values"),
        (packed("BYTES", ["pro", "pro"]), "more values"),
        (packed("BYTES", [b"\xff"]), "not UTF-8"),
    ],
)
def test_bytes_that_hold_no_such_texts_are_refused(
    post: Post, version: Version, example: Record, content: bytes, words: str
) -> None:
    inputs = tensors([example])
    plan = inputs.pop()
    del plan["data"]
    plan["parameters"] = {"binary_data_size": len(content)}
    head = orjson.dumps({"inputs": [*inputs, plan]})
    response = post(INFER, head + content, **{"inference-header-content-length": str(len(head))})
    assert words in error_of(response, 400)


def test_a_byte_that_is_no_boolean_is_refused(post: Post, version: Version, example: Record) -> None:
    body, headers = binary(tensors([{**example, "member": True}]))
    at = len(body) - len(packed("BYTES", [example["plan"]])) - 1
    assert body[at] == 1
    response = post(INFER, body[:at] + b"\x02" + body[at + 1 :], **headers)
    assert "BOOL" in error_of(response, 400)


@pytest.mark.parametrize(("plan", "words"), [("a\x00b", "NUL"), ("x" * 1_001, "1,001")])
def test_a_text_that_the_contract_refuses_is_named(
    post: Post, version: Version, example: Record, plan: str, words: str
) -> None:
    body, headers = binary(tensors([{**example, "plan": plan}]))
    assert words in error_of(post(INFER, body, **headers), 422)


def test_infinity_in_bytes_is_refused_by_the_contract(post: Post, version: Version, example: Record) -> None:
    body, headers = binary(tensors([{**example, "spend": float("inf")}]))
    assert "row 0, spend: expected a finite number" in error_of(post(INFER, body, **headers), 422)


def test_a_strict_classifier_refuses_what_training_never_saw(
    post: Post, version: Version, example: Record
) -> None:
    Classifier.objects.update(strict=True)
    assert "row 0, plan" in error_of(post(INFER, {"inputs": tensors([{**example, "plan": "gold"}])}), 422)


def test_one_row_over_the_limit_is_too_large(
    post: Post, version: Version, example: Record, settings: Any
) -> None:
    settings.CLFSITE_BATCH_ROWS = 2
    assert "limit of 2" in error_of(post(INFER, {"inputs": tensors([example] * 3)}), 413)


def test_a_body_over_the_limit_is_too_large(post: Post, version: Version, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert "CLFSITE_BODY_BYTES" in error_of(post(INFER, b" " * 101), 413)


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("application/x-www-form-urlencoded", {}),
        ("application/grpc", {}),
        ("application/json", {"content-encoding": "gzip"}),
        ("", {"content-encoding": "deflate"}),
    ],
)
def test_another_media_type_is_refused(
    post: Post, version: Version, content_type: str, headers: dict[str, str]
) -> None:
    error_of(post(INFER, b"{}", content_type=content_type, **headers), 415)


def test_a_client_that_takes_neither_json_nor_bytes_is_refused(
    post: Post, version: Version, example: Record
) -> None:
    error_of(post(INFER, {"inputs": tensors([example])}, accept="text/xml"), 406)


@pytest.mark.parametrize("address", [INFER, "/v2", "/v2/models/churn", "/v2/models/churn/ready"])
def test_without_a_key_nothing_is_told(client: Client, version: Version, address: str) -> None:
    response = client.post(address, b"{}", "application/json") if address == INFER else client.get(address)
    error_of(response, 401)
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_key_needs_the_scope_predict_to_infer(post: Post, version: Version, example: Record) -> None:
    ApiKeyFactory.create(secret="clf_reader", scopes=("read",))
    error_of(post(INFER, {"inputs": tensors([example])}, key="clf_reader"), 403)


def test_a_pinned_version_answers_though_another_is_active(
    post: Post, version: Version, example: Record
) -> None:
    second = trained_version(classifier="churn", activate=True)
    body = {"inputs": tensors([example])}
    assert post(INFER, body).json()["model_version"] == str(second.number)
    pinned = f"/v2/models/churn/versions/{version.number}/infer"
    assert post(pinned, body).json()["model_version"] == str(version.number)


@pytest.mark.parametrize("number", ["99", "0", "-1", "x", "1.5", "9" * 30, "%00", "٣"])
def test_an_unknown_version_is_not_found(
    post: Post, get: Get, version: Version, example: Record, number: str
) -> None:
    address = f"/v2/models/churn/versions/{number}"
    assert "no version" in error_of(post(f"{address}/infer", {"inputs": tensors([example])}), 404)
    error_of(get(address), 404)
    error_of(get(f"{address}/ready"), 404)


@pytest.mark.parametrize("name", ["nobody", "%00", "..%5C", "x" * 500])
def test_an_unknown_classifier_is_not_found(post: Post, get: Get, version: Version, name: str) -> None:
    assert "no classifier" in error_of(post(f"/v2/models/{name}/infer", {"inputs": []}), 404)
    error_of(get(f"/v2/models/{name}"), 404)


@pytest.mark.parametrize(
    "address",
    ["/v2/models/churn/config", "/v2/logging", "/v2/repository/index", "/v2/x%0Ay", "/v2/../x"],
)
def test_any_other_address_is_not_found_in_the_protocols_words(
    post: Post, get: Get, version: Version, address: str
) -> None:
    error_of(get(address), 404)
    error_of(post(address, {}), 404)


def test_another_method_is_not_allowed(client: Client, db: None) -> None:
    response = client.get(INFER)
    error_of(response, 405)
    assert response["Allow"] == "POST"


def test_metadata_describes_the_tensors_that_infer_takes(get: Get, version: Version, example: Record) -> None:
    second = trained_version(classifier="churn", activate=True)
    body = get("/v2/models/churn").json()
    assert (body["name"], body["versions"]) == ("churn", [str(version.number), str(second.number)])
    assert {each["name"]: each["datatype"] for each in body["inputs"]} == DATATYPES
    assert {tuple(each["shape"]) for each in body["inputs"]} == {(-1,)}
    predict, proba = body["outputs"]
    assert (predict["name"], predict["datatype"], predict["shape"]) == ("predict", "BYTES", [-1])
    assert (proba["name"], proba["datatype"], proba["shape"]) == ("predict_proba", "FP64", [-1, 2])
    assert json.loads(proba["parameters"]["classes"]) == ["no", "yes"]
    pinned = get(f"/v2/models/churn/versions/{version.number}").json()
    assert pinned["inputs"] == body["inputs"]


def test_a_model_that_can_answer_is_ready(get: Get, version: Version) -> None:
    for address in ("/v2/models/churn/ready", f"/v2/models/churn/versions/{version.number}/ready"):
        assert get(address).json() == {"name": "churn", "ready": True}


def test_the_server_names_itself_and_its_extensions(get: Get) -> None:
    body = get("/v2").json()
    assert body["name"] == "clfsite"
    assert body["extensions"] == ["binary_tensor_data"]


def test_health_needs_no_key(client: Client, version: Version) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    assert client.head("/v2/health/ready").status_code == 200


def test_health_without_an_active_version_is_unavailable(client: Client, db: None) -> None:
    response = client.get("/v2/health/ready")
    assert "no version" in error_of(response, 503)
    assert int(response["Retry-After"]) > 0
    assert client.get("/v2/health/live").status_code == 200


def test_a_slash_at_the_end_is_no_redirect(post: Post, get: Get, version: Version, example: Record) -> None:
    assert post(f"{INFER}/", {"inputs": tensors([example])}).status_code == 200
    assert get("/v2/").status_code == 200
    assert get("/v2/models/churn/").status_code == 200
