"""Tensors of the Open Inference Protocol: one value per row, as JSON or bytes, with checked lengths.

A missing value is null in JSON and NaN in a floating-point tensor; both read as None.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clfsite.core.errors import Malformed
from clfsite.core.requests.members import read_object
from predictions.serving.request import check_row_count

FLOATS = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
INTEGERS = {
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
}
DATATYPES = (*FLOATS, *INTEGERS, "BOOL", "BYTES")
MEMBERS = ("shape", "datatype", "parameters", "data")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Tensor:
    """A named column with one value per row; None if it is missing."""

    name: str
    datatype: str
    values: list[Any]


class Tail:
    """The bytes after the JSON, which are consumed in order."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def take(self, size: int, name: str) -> bytes:
        """Return the next bytes.

        Raises:
            Malformed: fewer are left.
        """
        if size > len(self._data):
            raise Malformed(
                f'the input "{name}" declares {size:,} bytes, but {len(self._data):,} are left after the '
                "JSON;  "
                "check the header Inference-Header-Content-Length, the length of the JSON"
            )
        taken, self._data = self._data[:size], self._data[size:]
        return bytes(taken)

    def check_empty(self) -> None:
        """Refuse bytes that belong to no tensor.

        Raises:
            Malformed: some are left.
        """
        if self._data:
            raise Malformed(
                f"{len(self._data):,} bytes after the JSON belong to no input; declare them with "
                "binary_data_size"
            )


def read_tensor(entry: Any, tail: Tail) -> Tensor:
    """Read one entry of a request's inputs.

    Raises:
        Malformed: not a tensor of shape [n] or [n, 1], or its data do not fit shape and datatype.
        TooLarge: more rows than the limit.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise Malformed('an input is not an object with a "name"')
    name = entry["name"][:60]
    read_object(entry, required=("name",), optional=MEMBERS, path=f"inputs.{name}")
    datatype = entry.get("datatype")
    if datatype not in DATATYPES:
        raise Malformed(f'the input "{name}" has an unknown datatype; expected {", ".join(DATATYPES)}')
    shape = _shape(name, entry.get("shape"))
    parameters = parameters_of(entry, f'the input "{name}"')
    size = parameters.get("binary_data_size")
    if (size is None) == (entry.get("data") is None):
        raise Malformed(f'the input "{name}" needs either "data" or the parameter binary_data_size')
    if size is None:
        return Tensor(entry["name"], datatype, _json_values(name, datatype, shape, entry["data"]))
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise Malformed(f'binary_data_size of the input "{name}" is not a number of bytes')
    return Tensor(entry["name"], datatype, _raw_values(name, datatype, shape[0], tail.take(size, name)))


def parameters_of(holder: dict[str, Any], place: str) -> dict[str, Any]:
    """Return the parameters of a request, an input or an output.

    Raises:
        Malformed: they are not an object.
    """
    parameters = holder.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise Malformed(f'"parameters" of {place} is not an object')
    return parameters


def write_bytes(values: Sequence[str]) -> bytes:
    """A BYTES tensor: each text's length in four bytes, little-endian, and the text in UTF-8."""
    texts = [value.encode() for value in values]
    return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))


def write_floats(values: NDArray[np.float64]) -> bytes:
    """An FP64 tensor, row by row."""
    return values.astype(FLOATS["FP64"]).tobytes()


def _shape(name: str, shape: Any) -> list[int]:
    """Return [n] or [n, 1]."""
    whole = isinstance(shape, list) and all(
        isinstance(length, int) and not isinstance(length, bool) for length in shape
    )
    if not whole or len(shape) not in (1, 2) or shape[0] < 1 or shape[1:] not in ([], [1]):
        raise Malformed(
            f'the shape of the input "{name}" is not [n] or [n, 1] with a value for each of n rows'
        )
    check_row_count(shape[0])
    return list(shape)


def _json_values(name: str, datatype: str, shape: list[int], data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise Malformed(f'"data" of the input "{name}" is not a list')
    nested = len(shape) > 1 and all(isinstance(row, list) and len(row) == 1 for row in data)
    values = [row[0] for row in data] if nested else list(data)
    if len(values) != shape[0]:
        raise Malformed(f'the input "{name}" holds {len(values):,} values, but its shape has {shape[0]:,}')
    for position, value in enumerate(values):
        if value is not None and not _is_of(datatype, value):
            raise Malformed(f'value {position} of the input "{name}" is not a valid {datatype}')
    return values


def _is_of(datatype: str, value: Any) -> bool:
    if datatype == "BYTES":
        return isinstance(value, str)
    if datatype == "BOOL" or isinstance(value, bool):
        return datatype == "BOOL" and isinstance(value, bool)
    if datatype in FLOATS:
        return isinstance(value, int | float)
    limits = np.iinfo(INTEGERS[datatype])
    return isinstance(value, int) and limits.min <= value <= limits.max


def _raw_values(name: str, datatype: str, rows: int, data: bytes) -> list[Any]:
    if datatype == "BYTES":
        return _read_texts(name, rows, data)
    kind = np.dtype({**FLOATS, **INTEGERS, "BOOL": "<u1"}[datatype])
    if len(data) != rows * kind.itemsize:
        raise Malformed(
            f'the input "{name}" holds {len(data):,} bytes, but {rows:,} values of {datatype} take '
            f"{rows * kind.itemsize:,}"
        )
    array = np.frombuffer(data, dtype=kind)
    if datatype == "BOOL":
        if array.max() > 1:
            raise Malformed(f'the input "{name}" has a byte other than 0 and 1, which is not a valid BOOL')
        return [bool(value) for value in array]
    values: list[Any] = array.tolist()
    # only NaN differs from itself
    return [value if value == value else None for value in values]  # noqa: PLR0124


def _read_texts(name: str, rows: int, data: bytes) -> list[str]:
    texts: list[str] = []
    position = 0
    while position < len(data):
        start = position + _LENGTH.size
        position = start + _LENGTH.unpack_from(data, position)[0] if start <= len(data) else len(data) + 1
        if position > len(data):
            raise Malformed(f'the input "{name}" ends in the middle of value {len(texts)}')
        if len(texts) == rows:
            raise Malformed(f'the input "{name}" holds more values than the {rows:,} of its shape')
        try:
            texts.append(data[start:position].decode())
        except UnicodeDecodeError as error:
            raise Malformed(f'value {len(texts)} of the input "{name}" is not UTF-8') from error
    if len(texts) != rows:
        raise Malformed(f'the input "{name}" holds {len(texts):,} values, but its shape has {rows:,}')
    return texts
