"""Safe reading of JSON bodies: size, depth, duplicate names, numbers and text are checked."""

import json
import math
import zlib
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from rest_framework import exceptions

from clfsite.core.errors import InvalidInput, Malformed, TooLarge

TOO_LARGE = "the body is larger than the limit (CLFSITE_BODY_BYTES); send fewer rows at once"
# of zlib: a header and a checksum as gzip has them
_GZIP = 16 + zlib.MAX_WBITS
_LONGEST_INTEGER = 400  # digits; a float holds 309
# levels that orjson can write; far below the limit of Python's stack
_DEEPEST = 254
# lists and objects; ten thousand rows of fifty tensors of shape [n, 1] have as many, which take Python a
# second
_MOST_CONTAINERS = 500_000
_LONGEST_PATH = 200  # characters
_LONG = 4_096  # bytes
_TOO_DEEP = f"the body is nested too deeply; {_DEEPEST} levels are accepted"
_NO_ESCAPES = ((b"\\\\", b""), (b'\\"', b""))


def read_json(request: HttpRequest) -> Any:
    """Return the body's JSON value.

    Raises:
        UnsupportedMediaType: not application/json in UTF-8, or compressed with something else than gzip.
        TooLarge: more than CLFSITE_BODY_BYTES.
        Malformed: not JSON, or JSON with duplicate names, NaN, or text that is not Unicode.
    """
    check_media_type(request, ("application/json",))
    return parse_json(read_bytes(request))


def check_media_type(request: HttpRequest, accepted: Sequence[str]) -> None:
    """Refuse a body with another media type, charset or compression.

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
    encoding = _encoding(request)
    if encoding not in {"identity", "gzip"}:
        raise exceptions.UnsupportedMediaType(
            encoding, f"the body is encoded with {encoding[:40]}; send it uncompressed or with gzip"
        )


def read_bytes(request: HttpRequest) -> bytes:
    """Return the body, unpacked if it is compressed with gzip.

    Raises:
        TooLarge: more than CLFSITE_BODY_BYTES, before or after unpacking. Malformed: not gzip.
    """
    try:
        data = request.body
    except RequestDataTooBig as error:
        raise TooLarge(TOO_LARGE) from error
    return _unpack(data, settings.CLFSITE_BODY_BYTES) if _encoding(request) == "gzip" else data


def _encoding(request: HttpRequest) -> str:
    return str(request.META.get("HTTP_CONTENT_ENCODING", "identity")).strip().lower()


def _unpack(data: bytes, most: int) -> bytes:
    """Unpack one member of gzip or several of up to `most` bytes together."""
    pieces, left = [], most + 1
    while data:
        unpacker = zlib.decompressobj(_GZIP)
        try:
            pieces.append(unpacker.decompress(data, left))
        except zlib.error as error:
            raise Malformed(f"the body is not gzip: {error}") from error
        left -= len(pieces[-1])
        if not left:
            raise TooLarge(TOO_LARGE)
        if not unpacker.eof:
            raise Malformed("the body is not gzip: it ends early")
        data = unpacker.unused_data
    return b"".join(pieces)


def parse_json(data: bytes, *, nan_is_null: bool = False, finite: bool = False) -> Any:
    """Return the JSON value of these bytes.

    Args:
        nan_is_null: read the literal NaN as null; Python clients send it for a missing value.
        finite: refuse numbers beyond any float; otherwise they become infinite, and a contract refuses them.

    Raises:
        InvalidInput: a number is not finite, if all have to be.
        Malformed: not JSON, or JSON with duplicate names, Infinity, or text that is not Unicode.
    """
    # each takes two bytes
    count = data.count(b"[") + data.count(b"{") if len(data) > 2 * _MOST_CONTAINERS else 0
    if count > _MOST_CONTAINERS:
        raise Malformed(
            f"the body holds {count:,} lists and objects; at most {_MOST_CONTAINERS:,} are accepted; send "
            "fewer rows at once"
        )
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return _read_slowly(data, error, nan_is_null, finite)
    if len(data) > _LONG and _has_all_names(value, data):
        return value
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise Malformed(_TOO_DEEP) from error
    # a value that was dropped as a duplicate is not written, and each written text has two quotes
    if _count_quotes(data) == _count_quotes(written):
        return value
    return _read_slowly(data, None, nan_is_null, finite)


def repeated(names: Iterable[str]) -> str | None:
    """The first duplicate name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def accepts(request: HttpRequest, media_types: Collection[str]) -> bool:
    """Whether the Accept header allows one of these media types."""
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


def _has_all_names(value: Any, data: bytes) -> bool:
    """Whether the colons of a document prove that no name was dropped as a duplicate.

    They do if all objects are in lists of the outermost one, nothing is nested deeper, and no text has one of these
    characters.
    """
    if not isinstance(value, dict):
        return False
    lists = [inner for inner in value.values() if isinstance(inner, list)]
    objects = [value, *chain.from_iterable(lists)]
    if any(type(item) is not dict for item in objects):
        return False
    expected = {"[": len(lists), "{": len(objects), ":": sum(map(len, objects))}
    return all(_count(data, character) == number for character, number in expected.items())


def _count(data: bytes, character: str) -> int:
    """The number of a character, fifty times as fast as `bytes.count` where there are many."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord(character)))


def _count_quotes(data: bytes) -> int:
    """The number of quotes that delimit texts in a JSON document."""
    if b"\\" in data:
        for escape, nothing in _NO_ESCAPES:
            data = data.replace(escape, nothing)
    return data.count(b'"') if len(data) < _LONG else _count(data, '"')


def _read_slowly(
    data: bytes, first_error: orjson.JSONDecodeError | None, nan_is_null: bool, finite: bool
) -> Any:
    """Read with the standard library, which is slower but reports errors and reads huge numbers as infinite."""
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
        raise Malformed(_TOO_DEEP) from error
    _check_text(value)
    place = _infinite(value)
    if place is not None and finite:
        problem = {
            "field": place[:_LONGEST_PATH],
            "code": "not_finite",
            "message": "expected a finite number",
        }
        raise InvalidInput("a number is too large; expected finite numbers", [problem])
    if first_error is not None and not nulls and place is None:
        raise Malformed(f"the body is not JSON: {first_error}") from first_error
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        twice = repeated([name for name, _ in pairs]) or ""
        raise Malformed(f"duplicate name {json.dumps(twice[:60])} in an object")
    return result


def _integer(digits: str) -> int | float:
    """Beyond 64 bits a float, as orjson reads it."""
    if len(digits) > _LONGEST_INTEGER:
        return math.copysign(math.inf, -1 if digits[0] == "-" else 1)
    value = int(digits)
    return value if -(2**63) <= value < 2**64 else float(digits)


def _check_text(value: Any, depth: int = 0) -> None:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Malformed(
                "a string contains half of a surrogate pair, which is not valid Unicode"
            ) from error
    elif isinstance(value, dict | list):
        if depth >= _DEEPEST:
            raise Malformed(_TOO_DEEP)
        if isinstance(value, dict):
            for name in value:
                _check_text(name)
        for inner in value.values() if isinstance(value, dict) else value:
            _check_text(inner, depth + 1)


def _infinite(value: Any, path: str = "") -> str | None:
    """The path of the first number beyond any float; None if there is none."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        places = (_infinite(item, f"{path}.{name}" if path else str(name)) for name, item in inner)
        return next((place for place in places if place is not None), None)
    return path if isinstance(value, float) and math.isinf(value) else None
