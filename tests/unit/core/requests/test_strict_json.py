"""Reading JSON by the short way for thousands of rows of numbers, which must not see less than the long one."""

import json
from typing import Any

import pytest

from clfsite.core.errors import InvalidInput, Malformed
from clfsite.core.requests.strict_json import parse_json

# white space at the end, so that the body counts as long
SPACE = pytest.mark.parametrize("space", [b"", b" " * 5_000], ids=["short", "long"])
ROWS: list[dict[str, Any]] = [{"size": 1.5, "count": 2, "old": None, "new": True}] * 3


@SPACE
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
def test_what_is_read_is_what_was_written(value: Any, space: bytes) -> None:
    assert parse_json(json.dumps(value, indent=1).encode() + space) == value


@SPACE
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"records": [{"size": 1}, {"size": 1, "size": 2}]}', 'duplicate name "size"'),
        (b'{"records": [{"size": 1}], "records": [{"size": 2}]}', 'duplicate name "records"'),
        (b'{"records": [{"size": {"a": 1, "a": 2}}]}', 'duplicate name "a"'),
        (b'{"records": [{"size": ' + b"[" * 300 + b"]" * 300 + b"}]}", "nested too deeply"),
        (b'{"records": [{"size": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}]}", "nested too deeply"),
    ],
)
def test_rows_of_numbers_are_looked_at_as_closely_as_others(body: bytes, why: str, space: bytes) -> None:
    with pytest.raises(Malformed, match=why):
        parse_json(body + space)


@pytest.mark.parametrize("item", ["[]", "{}", "[[]]", '{"a":{}}'])
def test_more_lists_and_objects_than_any_row_needs_are_counted_and_not_made(item: str) -> None:
    body = ('{"features":[' + ",".join([item] * 600_000) + "]}").encode()
    with pytest.raises(Malformed, match="lists and objects; at most 500,000 are accepted"):
        parse_json(body)


@SPACE
@pytest.mark.parametrize(
    "text", ['"', "\\", '\\"', '\\\\"', "\n", 'a"b\\c', "\u2028", "é", "[{", ":", "\x7f"]
)
def test_escapes_hide_no_name_that_stands_twice(text: str, space: bytes) -> None:
    name, value = json.dumps(text), json.dumps({text: [text, text]})
    assert parse_json(value.encode() + space) == {text: [text, text]}
    with pytest.raises(Malformed, match="duplicate name"):
        parse_json(f"{{{name}: {name}, {name}: {name}}}".encode() + space)


def test_a_number_that_no_float_holds_is_refused_with_its_place_where_all_have_to_be_finite() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_json(b'{"space": {"max_depth": [1, -1e400]}}', finite=True)
    assert refused.value.errors[0]["field"] == "space.max_depth.1"
    assert parse_json(b'{"a": 1e400}') == {"a": float("inf")}


def test_a_whole_number_is_read_alike_with_and_without_a_gap_in_the_body() -> None:
    for digits in ("18446744073709551615", "18446744073709551616", "-9223372036854775809", "9" * 30):
        assert (
            parse_json(f"[{digits}, NaN]".encode(), nan_is_null=True)[0]
            == parse_json(f"[{digits}]".encode())[0]
        )
