"""Refusing a body costs no more than a small multiple of answering one of its size, in time and in what is sent back."""

import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.integration.conftest import SECRET, Post
from tests.support.factories import tiny
from training.models import Version

pytestmark = [pytest.mark.django_db, pytest.mark.promise(15)]
SIZE = 1_000_000  # bytes of each body
# a refused body may take so many times what an accepted one of its size takes, and so many seconds more where a machine
# is busy
RATIO, LEEWAY = 4.0, 1.0
# bytes that an answer may have beyond its body's
FLOOR = 40_000


def repeat(start: bytes, item: bytes, end: bytes, size: int = SIZE) -> bytes:
    """A JSON text of about so many bytes."""
    return start + b",".join([item] * max(size // (len(item) + 1), 1)) + end


def names(size: int = SIZE) -> bytes:
    """An object of names that nobody knows."""
    return orjson.dumps({f"name-{number:07}": 1 for number in range(size // 17)})


def example() -> bytes:
    return orjson.dumps(tiny().contract.example)


def tensors(inputs: list[Any]) -> bytes:
    return orjson.dumps({"inputs": inputs})


# by door: its address, and bodies that it refuses
BODIES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "lists for features": ("/predict", lambda: repeat(b'{"features":[', b"[]", b"]}")),
    "numbers for features": ("/predict", lambda: repeat(b'{"features":[', b"1", b"]}")),
    "lists in a feature": ("/predict", lambda: repeat(b'{"features":{"spend":[', b"[]", b"]}}")),
    "nested objects": ("/predict", lambda: repeat(b'{"features":[', b'{"a":{"a":{}}}', b"]}")),
    "unknown names": ("/predict", lambda: b'{"features":' + names() + b"}"),
    "unknown members": ("/predict", names),
    "a long text": ("/predict", lambda: b'{"features":{"plan":"' + b"x" * SIZE + b'"}}'),
    "escapes": ("/predict", lambda: repeat(b'{"features":[', b'"\\n"', b"]}")),
    "infinite numbers": ("/predict", lambda: repeat(b'{"features":{"spend":[', b"1e999", b"]}}")),
    "empty records": ("/predict-batch", lambda: repeat(b'{"records":[', b"{}", b"]}", 30_000)),
    "records that are none": ("/predict-batch", lambda: repeat(b'{"records":[', b"0", b"]}", 20_000)),
    "records of unknown names": (
        "/predict-batch",
        lambda: repeat(b'{"records":[', names(10_000), b"]}"),
    ),
    "records of wrong types": (
        "/predict-batch",
        lambda: repeat(b'{"records":[', b'{"spend":"a","tenure":"b","member":"c","plan":[]}', b"]}", 500_000),
    ),
    "empty instances": ("/invocations", lambda: repeat(b'{"instances":[', b"{}", b"]}", 30_000)),
    "columns of a split": (
        "/invocations",
        lambda: orjson.dumps(
            {"dataframe_split": {"columns": [f"c{n:06}" for n in range(90_000)], "data": []}}
        ),
    ),
    "values of a split": (
        "/invocations",
        lambda: repeat(b'{"dataframe_split":{"columns":["spend"],"data":[', b"[[]]", b"]}}", 60_000),
    ),
    "many inputs": (
        "/v2/models/churn/infer",
        lambda: tensors(
            [{"name": f"n{n:06}", "shape": [1], "datatype": "FP64", "data": [1]} for n in range(15_000)]
        ),
    ),
    "inputs without a shape": (
        "/v2/models/churn/infer",
        lambda: repeat(b'{"inputs":[', b"{}", b"]}"),
    ),
    "values of a tensor": (
        "/v2/models/churn/infer",
        lambda: tensors([{"name": "spend", "shape": [1], "datatype": "FP64", "data": ["x"] * 200_000}]),
    ),
    "unknown members of a run": ("/api/runs", names),
    "a space of lists": ("/api/runs", lambda: repeat(b'{"dataset":1,"space":{"a":[', b"[]", b"]}}")),
    "corrections of a run": (
        "/api/runs",
        lambda: b'{"dataset":1,"corrections":{"columns":' + names() + b"}}",
    ),
}


def took(call: Callable[[], Any]) -> tuple[float, Any]:
    """The seconds of the quicker of two calls, and the answer."""
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        response = call()
        seconds.append(time.perf_counter() - began)
    return min(seconds), response


@pytest.fixture
def seconds_of_good(version: Version, post: Post, settings: LazySettings) -> float:
    """What a body of SIZE bytes takes that is answered."""
    settings.CLFSITE_BATCH_ROWS = SIZE
    record = example()
    body = repeat(b'{"records":[', record, b"]}")
    seconds, response = took(lambda: post("/predict-batch", body))
    assert response.status_code == 200, response.content[:300]
    return seconds


def test_refusing_costs_a_small_multiple_of_answering(seconds_of_good: float, post: Post) -> None:
    slow = {}
    for name, (path, make) in BODIES.items():
        body = make()
        began = time.perf_counter()
        response = post(path, body)
        seconds = time.perf_counter() - began
        assert response.status_code in {400, 413, 422}, (name, response.status_code, response.content[:300])
        assert len(response.content) <= len(body) + FLOOR, (name, len(response.content))
        allowed = RATIO * seconds_of_good + LEEWAY
        # something else may have run meanwhile
        if seconds > allowed and (quicker := took(lambda: post(path, body))[0]) > allowed:  # noqa: B023
            slow[name] = quicker
    assert not slow, f"answering takes {seconds_of_good:.2f} s"


def test_errors_are_told_up_to_a_hundred_with_their_count(version: Version, post: Post) -> None:
    body = post("/predict-batch", {"records": [{}] * 1_000}).json()
    assert len(body["errors"]) == 100
    assert "1,000 of 1,000 records were refused" in body["detail"]
    assert "the first 100 of" in body["detail"]
    body = post("/predict", {"features": {f"n{number}": 1 for number in range(5_000)}}).json()
    assert len(body["errors"]) == 100
    assert {error["code"] for error in body["errors"]} == {"missing", "unknown_feature"}


def test_a_table_of_unknown_columns_is_refused_as_quickly(
    seconds_of_good: float, client: Client, version: Version
) -> None:
    header = ",".join(f"a column called {number}" for number in range(9_990))
    body = f"{header}\n{','.join(['1'] * 9_990)}\n".encode()
    headers = {"authorization": f"Bearer {SECRET}"}
    for path in ("/api/batches", "/invocations"):
        began = time.perf_counter()
        if path == "/invocations":
            response = client.post(path, body, content_type="text/csv", headers=headers)
        else:
            file = SimpleUploadedFile("wide.csv", body)
            response = client.post(path, {"file": file}, headers=headers)
        assert response.status_code == 422, response.content[:200]
        assert time.perf_counter() - began < RATIO * seconds_of_good + LEEWAY
        assert len(response.content) <= len(body) + FLOOR


def test_a_form_of_unknown_fields_is_refused_as_quickly(
    seconds_of_good: float, client: Client, version: Version
) -> None:
    headers = {"authorization": f"Bearer {SECRET}"}
    fields = {f"a field called {number}": "x" for number in range(15_000)}
    began = time.perf_counter()
    response = client.post("/api/batches", fields, headers=headers)
    assert response.status_code == 422
    # most of it goes into the form that the client writes
    assert time.perf_counter() - began < RATIO * seconds_of_good + 3 * LEEWAY
    assert len(response.json()["errors"]) <= 100
    assert len(response.content) <= FLOOR
