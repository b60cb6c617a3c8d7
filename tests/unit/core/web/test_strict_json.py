"""Reading JSON by the short way for thousands of rows of numbers, which must not see less than the long one."""

import json
from typing import Any

import pytest

from clfsite.core.errors import Malformed
from clfsite.core.web.strict_json import parse_json

ROWS: list[dict[str, Any]] = [{"size": 1.5, "count": 2, "old": None, "new": True}] * 3


@pytest.mark.parametrize(
    "value",
    [
        {"records": ROWS},
        {"records": []},
        {"records": ROWS, "model": "churn", "version": 2},
        {"records": [*ROWS, {"size": "x"}]},
        {"records": [*ROWS, {"size": [1, 2], "more": {"a": {"b": "c"}}}]},
        {"records": [*ROWS, {"a[": 1, "b{": 2}]},
        {"records": [1, "x", None], "others": ROWS},
        [ROWS, {}],
    ],
)
def test_what_is_read_is_what_was_written(value: Any) -> None:
    assert parse_json(json.dumps(value, indent=1).encode()) == value


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"records": [{"size": 1}, {"size": 1, "size": 2}]}', '"size" stands twice'),
        (b'{"records": [{"size": 1}], "records": [{"size": 2}]}', '"records" stands twice'),
        (b'{"records": [{"size": {"a": 1, "a": 2}}]}', '"a" stands twice'),
        (b'{"records": [{"size": ' + b"[" * 100 + b"]" * 100 + b"}]}", "nested too deeply"),
        (b'{"records": [{"size": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}]}", "nested too deeply"),
    ],
)
def test_rows_of_numbers_are_looked_at_as_closely_as_others(body: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        parse_json(body)
