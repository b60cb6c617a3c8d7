"""/v2/models/.../infer: the protocol's error for every bad request in JSON."""

from typing import Any

import pytest

from tests.integration.conftest import Post
from tests.integration.predictions.protocols.tensors import INFER, Record, error_of, tensors
from training.models import Classifier, Version

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
    "nested against the shape": ({"data": [[1.0]]}, "not a valid FP64"),
    "data no list": ({"data": "1"}, "not a list"),
    "no data": ({"data": None}, "binary_data_size"),
    "data twice": ({"parameters": {"binary_data_size": 8}}, "either"),
    "text in FP64": ({"data": ["1"]}, "value 0"),
    "true in FP64": ({"data": [True]}, "value 0"),
    "fraction in INT64": ({"datatype": "INT64", "data": [1.5]}, "not a valid INT64"),
    "true in INT64": ({"datatype": "INT64", "data": [True]}, "not a valid INT64"),
    "300 in INT8": ({"datatype": "INT8", "data": [300]}, "not a valid INT8"),
    "negative in UINT8": ({"datatype": "UINT8", "data": [-1]}, "not a valid UINT8"),
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
    "output twice": ({"inputs": [], "outputs": [{"name": "predict"}] * 2}, "more than once"),
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
    "duplicate name": (b'{"inputs": [], "inputs": []}', "duplicate name"),
}


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
    assert "duplicate input" in error_of(post(INFER, {"inputs": [*inputs, inputs[0]]}), 400)


def test_tensors_of_different_lengths_are_refused(post: Post, version: Version, example: Record) -> None:
    inputs = [*tensors([example, example])[:1], *tensors([example])[1:]]
    assert '"tenure" has 1 rows but "spend" has 2' in error_of(post(INFER, {"inputs": inputs}), 400)


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
        ("application/json", {"content-encoding": "br"}),
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
