"""/v2/models/.../infer: tensors in JSON and in bytes, and the outputs in both."""

import json

import orjson
import pytest

from predictions.models import Prediction
from tests.integration.conftest import Post
from tests.integration.predictions.protocols.tensors import (
    INFER,
    Get,
    Record,
    binary,
    error_of,
    outputs_of,
    packed,
    tensors,
)
from tests.support.factories import tiny
from training.models import Version


@pytest.mark.promise(13)
def test_rows_are_answered_as_predict_batch_does(post: Post, version: Version, records: list[Record]) -> None:
    expected = post("/predict-batch", {"records": records}).json()["predictions"]
    response = post(INFER, {"id": "a-1", "inputs": tensors(records)})
    outputs = outputs_of(response)
    assert outputs["predict"]["data"] == [answer["label"] for answer in expected]
    assert (outputs["predict"]["datatype"], outputs["predict"]["shape"]) == ("BYTES", [3])
    proba = [share for answer in expected for share in answer["probabilities"].values()]
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
    flat = [{**tensor, "shape": [3, 1]} for tensor in tensors(records)]
    nested = [{**item, "data": [[value] for value in item["data"]]} for item in flat]
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
    next(feature for feature in contract["features"] if feature["name"] == "member")["missing"] = True
    Version.objects.update(contract_data=contract)
    metadata = get("/v2/models/churn").json()
    assert {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]}["member"] == "FP64"
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
    inputs = [{**tensor, "parameters": {"content_type": "pd"}} for tensor in tensors([example])]
    body = {"inputs": inputs, "parameters": {"priority": 1}, "model_name": "other", "model_version": "9"}
    outputs_of(post(INFER, body))
