"""Triton's `InferenceServerClient` over HTTP, with binary tensors as it comes, and with JSON."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from tests.functional.clients.conftest import Site, columns, headers


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{site.port}") as client:
        yield client


@pytest.fixture
def metadata(client: triton.InferenceServerClient) -> dict[str, Any]:
    result: dict[str, Any] = client.get_model_metadata("churn", headers=headers())
    return result


def tensors(table: pd.DataFrame, metadata: dict[str, Any], binary: bool) -> list[triton.InferInput]:
    inputs = []
    for name, datatype, array in columns(table, metadata):
        tensor = triton.InferInput(name, list(array.shape), datatype)
        inputs.append(tensor.set_data_from_numpy(array, binary_data=binary))
    return inputs


def test_it_finds_server_and_model_ready(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("churn", headers=headers())
    assert client.is_model_ready("churn", "1", headers=headers())
    assert not client.is_model_ready("churn", "9", headers=headers())
    assert not client.is_model_ready("nobody", headers=headers())
    assert client.get_server_metadata(headers=headers())["name"] == "clfsite"


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("version", ["", "1"])
def test_tensors_are_answered_as_by_predict_batch(
    client: triton.InferenceServerClient,
    table: pd.DataFrame,
    metadata: dict[str, Any],
    expected: Any,
    binary: bool,
    version: str,
) -> None:
    result = client.infer(
        "churn",
        tensors(table, metadata, binary),
        model_version=version,
        request_id="mine",
        headers=headers(),
    )
    assert result.get_response()["id"] == "mine"
    assert [text.decode() for text in result.as_numpy("predict")] == expected[0]
    assert result.as_numpy("predict_proba").tolist() == expected[1]


@pytest.mark.parametrize("binary", [True, False])
def test_requested_outputs_come_as_asked(
    client: triton.InferenceServerClient,
    table: pd.DataFrame,
    metadata: dict[str, Any],
    expected: Any,
    binary: bool,
) -> None:
    outputs = [triton.InferRequestedOutput("predict_proba", binary_data=binary)]
    result = client.infer("churn", tensors(table, metadata, True), outputs=outputs, headers=headers())
    assert result.as_numpy("predict_proba").tolist() == expected[1]
    assert result.as_numpy("predict") is None


def test_many_requests_at_once_are_answered(
    site: Site, table: pd.DataFrame, metadata: dict[str, Any], expected: Any
) -> None:
    with triton.InferenceServerClient(f"127.0.0.1:{site.port}", concurrency=4) as client:
        inputs = tensors(table, metadata, True)
        waiting = [client.async_infer("churn", inputs, headers=headers()) for _ in range(12)]
        for item in waiting:
            assert item.get_result().as_numpy("predict_proba").tolist() == expected[1]


def test_a_refusal_reaches_the_caller(
    client: triton.InferenceServerClient, table: pd.DataFrame, metadata: dict[str, Any]
) -> None:
    inputs = tensors(table, metadata, True)
    with pytest.raises(InferenceServerException, match=r"\[400\] there is no tensor for"):
        client.infer("churn", inputs[1:], headers=headers())
    with pytest.raises(InferenceServerException, match=r"\[404\] there is no classifier 'nobody'"):
        client.infer("nobody", inputs, headers=headers())
    with pytest.raises(InferenceServerException, match=r"\[401\] the API key is missing"):
        client.infer("churn", inputs)
    with pytest.raises(InferenceServerException, match=r"\[404\] no such address"):
        client.get_model_repository_index(headers=headers())


def test_a_request_in_gzip_is_answered_and_another_compression_refused_in_words(
    client: triton.InferenceServerClient, table: pd.DataFrame, metadata: dict[str, Any]
) -> None:
    inputs = tensors(table, metadata, True)
    plain, packed = (
        client.infer("churn", inputs, request_compression_algorithm=compression, headers=headers())
        for compression in (None, "gzip")
    )
    assert packed.as_numpy("predict_proba").tolist() == plain.as_numpy("predict_proba").tolist()
    with pytest.raises(InferenceServerException, match=r"\[415\] .*deflate; send it uncompressed"):
        client.infer("churn", inputs, request_compression_algorithm="deflate", headers=headers())
