"""Reading a JSON body without being hurt by it: size, depth, duplicate names, numbers and text are all checked."""

import contextlib
import json
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError
from django.http.request import RawPostDataException
from rest_framework import exceptions

from clfsite.core.errors import Malformed, TooLarge

# types of values that hold no string
_PLAIN = frozenset((float, int, bool, type(None)))
_OBJECT = frozenset((dict,))
_LONGEST_INTEGER = 400  # digits; a float holds 309
_DEEPEST = 64


def read_json(request: HttpRequest) -> Any:
    """Return the body's JSON value.

    Raises:
        UnsupportedMediaType: not application/json in UTF-8, or compressed.
        TooLarge: more than CLFSITE_BODY_BYTES.
        Malformed: not JSON, or JSON with a name twice in one object, NaN, or text that is not Unicode.
    """
    check_media_type(request, ("application/json",))
    return parse_json(read_bytes(request))


def check_media_type(request: HttpRequest, accepted: Sequence[str]) -> None:
    """Refuse a body that is not of an accepted media type, not in UTF-8, or compressed.

    Raises:
        UnsupportedMediaType: says what was sent and what to send.
    """
    if request.content_type not in accepted:
        wanted = " or ".join(name for name in accepted if name)
        sent = request.content_type or "none"
        raise exceptions.UnsupportedMediaType(sent, f"the Content-Type is {sent[:100]}; send {wanted}")
    charset = (request.content_params or {}).get("charset", "utf-8").lower().strip('"')
    if charset not in {"utf-8", "utf8"}:
        raise exceptions.UnsupportedMediaType(charset, f"the charset is {charset[:40]}; send UTF-8")
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "identity")
    if encoding != "identity":
        raise exceptions.UnsupportedMediaType(
            encoding, f"the body is encoded with {encoding[:40]}; send it plain"
        )


def read_bytes(request: HttpRequest) -> bytes:
    """Return the body.

    Raises:
        TooLarge: more than CLFSITE_BODY_BYTES.
    """
    try:
        return request.body
    except RequestDataTooBig as error:
        raise TooLarge(
            "the body is larger than the limit (CLFSITE_BODY_BYTES); send fewer rows at once"
        ) from error


def drain(request: HttpRequest) -> None:
    """Read what is left of the body of a caller who is known: a server ends a connection on which a part was not read.

    Whoever has no key is not waited for.
    """
    with contextlib.suppress(BadRequest, RequestDataTooBig, RawPostDataException, UnreadablePostError):
        request.body  # noqa: B018  it is the reading that counts


def parse_json(data: bytes, *, nan_is_null: bool = False) -> Any:
    """Return the JSON value of these bytes.

    Args:
        nan_is_null: read the literal NaN, which clients built on Python send for a missing value, as null.

    Raises:
        Malformed: not JSON, or JSON with a name twice in one object, Infinity, or text that is not Unicode.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return _read_slowly(data, error, nan_is_null)
    if b"\\" in data:
        return _read_slowly(data, None, nan_is_null)
    # Every quote of a body without backslashes delimits a string, so a dropped duplicate shows in the count. Where names
    # alone account for all of them, and one list holds no other, there is nothing to look for in thousands of rows.
    quotes = data.count(b'"')
    if quotes == 2 * _count_names(value) and data.count(b"[") == 1:
        return value
    return value if quotes == 2 * _count_strings(value) else _read_slowly(data, None, nan_is_null)


def repeated(names: Iterable[str]) -> str | None:
    """The first name that stands there a second time."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def accepts(request: HttpRequest, media_types: Collection[str]) -> bool:
    """Whether the Accept header leaves room for an answer of one of these media types."""
    accept = request.META.get("HTTP_ACCEPT", "")
    if not accept:
        return True
    ranges = {"*/*", *media_types, *(f"{name.partition('/')[0]}/*" for name in media_types)}
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        refused = any(
            parameter.replace(" ", "") in {"q=0", "q=0.0", "q=0.00", "q=0.000"} for parameter in parameters
        )
        if not refused and media.lower() in ranges:
            return True
    return False


def _count_names(value: Any) -> int:
    """How many names an object has, and the objects in its lists; none that lies deeper is counted."""
    if not isinstance(value, dict):
        return 0
    lists = [inner for inner in value.values() if type(inner) is list]
    return len(value) + sum(sum(map(len, rows)) for rows in lists if _OBJECT.issuperset(map(type, rows)))


def _count_strings(value: Any, depth: int = 0) -> int:
    """How many strings a value holds, names included; written for speed, as every row passes through it."""
    if not isinstance(value, dict | list):
        return int(isinstance(value, str))
    _check_depth(depth)
    count = 0
    if isinstance(value, dict):
        count = len(value)
        value = value.values()
    if _PLAIN.issuperset(map(type, value)):
        return count
    for inner in value:
        kind = type(inner)
        if kind is str:
            count += 1
        elif kind is dict or kind is list:
            count += _count_strings(inner, depth + 1)
    return count


def _check_depth(depth: int) -> None:
    # far from what Python's stack holds, wherever in it a request is answered
    if depth >= _DEEPEST:
        raise Malformed(f"the body is nested too deeply; {_DEEPEST} levels are read")


def _read_slowly(data: bytes, refusal: orjson.JSONDecodeError | None, nan_is_null: bool) -> Any:
    """Read with the standard library: slower, but it says what is wrong and takes huge numbers as infinite."""
    nulls: list[str] = []

    def constant(name: str) -> None:
        if not nan_is_null or name != "NaN":
            raise Malformed(f"{name} is not JSON; send null for a missing value")
        nulls.append(name)

    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_without_duplicates,
            parse_constant=constant,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise Malformed(
            f"the body is not UTF-8: byte 0x{data[error.start]:02x} at position {error.start}"
        ) from error
    except json.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise Malformed(f"the body is nested too deeply; {_DEEPEST} levels are read") from error
    _check_text(value)
    if refusal is not None and not nulls and not _has_infinity(value):
        raise Malformed(f"the body is not JSON: {refusal}") from refusal
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        twice = repeated([name for name, _ in pairs]) or ""
        raise Malformed(f"the name {json.dumps(twice[:60])} stands twice in one object")
    return result


def _integer(digits: str) -> int | float:
    return (
        int(digits)
        if len(digits) <= _LONGEST_INTEGER
        else math.copysign(math.inf, -1 if digits[0] == "-" else 1)
    )


def _check_text(value: Any, depth: int = 0) -> None:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Malformed("a text holds half of a surrogate pair, which is not Unicode") from error
    elif isinstance(value, dict | list):
        _check_depth(depth)
        if isinstance(value, dict):
            for name in value:
                _check_text(name)
        for inner in value.values() if isinstance(value, dict) else value:
            _check_text(inner, depth + 1)


def _has_infinity(value: Any) -> bool:
    if isinstance(value, float):
        return math.isinf(value)
    if isinstance(value, dict):
        return any(map(_has_infinity, value.values()))
    return isinstance(value, list) and any(map(_has_infinity, value))
