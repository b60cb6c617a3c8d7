"""/v2/models/.../infer: the protocol's error for bytes that are not the tensors that were declared."""

from typing import Any

import orjson
import pytest

from tests.integration.conftest import Post
from tests.integration.predictions.protocols.tensors import INFER, Record, binary, error_of, packed, tensors
from training.models import Version


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
    raw = b"".join(packed(tensor["datatype"], tensor.pop("data")) for tensor in inputs)
    sizes = [size, 8, 1, 4 + len(example["plan"])]
    for tensor, own in zip(inputs, sizes, strict=True):
        tensor["parameters"] = {"binary_data_size": own}
    head = orjson.dumps({"inputs": inputs})
    error_of(post(INFER, head + raw, **{"inference-header-content-length": str(len(head))}), 400)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_truncated_tensors_are_refused(post: Post, version: Version, example: Record, cut: int) -> None:
    body, headers = binary(tensors([example]))
    assert "are left" in error_of(post(INFER, body[:-cut], **headers), 400)


def test_bytes_that_no_tensor_declares_are_refused(post: Post, version: Version, example: Record) -> None:
    body, headers = binary(tensors([example]))
    assert "1 bytes after the JSON" in error_of(post(INFER, body + b"\x00", **headers), 400)


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
