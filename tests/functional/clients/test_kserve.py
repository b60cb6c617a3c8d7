"""KServe's `InferenceRESTClient`, protocol v2, which is asynchronous."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import httpx
import pandas as pd
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

from tests.functional.clients.conftest import Site, columns, headers


async def infer(site: Site, request: InferRequest, **options: Any) -> Any:
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
        return await client.infer(site.url, request, "churn", headers=headers(), **options)


def request(
    site: Site, table: pd.DataFrame, binary: bool, outputs: list[RequestedOutput] | None = None
) -> InferRequest:
    with site.client() as caller:
        metadata = caller.get("/v2/models/churn").json()
    inputs = []
    for name, datatype, array in columns(table, metadata):
        tensor = InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, binary_data=binary)
        inputs.append(tensor)
    return InferRequest("churn", inputs, request_id="mine", request_outputs=outputs)


def run(call: Coroutine[Any, Any, Any]) -> Any:
    """Await a call in a thread of its own: the browser of other tests keeps an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, call).result()


def test_it_finds_server_and_model_ready(site: Site) -> None:
    async def ask() -> list[bool]:
        async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
            return [
                await client.is_server_live(site.url),
                await client.is_server_ready(site.url),
                await client.is_model_ready(site.url, "churn", headers=headers()),
                await client.is_model_ready(site.url, "nobody", headers=headers()),
            ]

    assert run(ask()) == [True, True, True, False]


@pytest.mark.parametrize("binary", [True, False])
def test_tensors_are_answered_as_by_predict_batch(
    site: Site, table: pd.DataFrame, expected: Any, binary: bool
) -> None:
    answer = run(infer(site, request(site, table, binary)))
    assert (answer.model_name, answer.id) == ("churn", "mine")
    outputs = {output.name: output for output in answer.outputs}
    assert outputs["predict"].as_numpy().tolist() == expected[0]
    assert outputs["predict_proba"].as_numpy().tolist() == expected[1]


def test_outputs_come_as_bytes_where_it_wants_them_so(site: Site, table: pd.DataFrame, expected: Any) -> None:
    outputs = [
        RequestedOutput("predict", {"binary_data": True}),
        RequestedOutput("predict_proba", {"binary_data": True}),
    ]
    received: dict[str, str] = {}
    asked = request(site, table, True, outputs)
    answer = run(infer(site, asked, response_headers=received))
    assert received["content-type"] == "application/octet-stream"
    assert [output.data for output in answer.outputs] == [expected[0], list(chain(*expected[1]))]


def test_a_refusal_reaches_the_caller(site: Site, table: pd.DataFrame) -> None:
    asked = request(site, table, True)
    del asked.inputs[0]
    with pytest.raises(httpx.HTTPStatusError, match=r"there is no tensor for .*, '400 Bad Request'"):
        run(infer(site, asked))
