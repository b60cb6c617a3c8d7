"""Requests of the Open Inference Protocol, in JSON and in bytes, and what its answers say."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from predictions.models import Prediction

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
    raw = [packed(tensor["datatype"], tensor["data"]) for tensor in inputs]
    heads = [
        {
            **{key: value for key, value in tensor.items() if key != "data"},
            "parameters": {"binary_data_size": len(data)},
        }
        for tensor, data in zip(inputs, raw, strict=True)
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
