"""Texts in the binary form of a tensor."""

import struct

import pytest

from clfsite.core.errors import Malformed
from predictions.protocols.tensors import Tail, read_tensor


def read(rows: int, data: bytes) -> list[str]:
    entry = {
        "name": "city",
        "datatype": "BYTES",
        "shape": [rows],
        "parameters": {"binary_data_size": len(data)},
    }
    return read_tensor(entry, Tail(data)).values


def packed(*texts: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def test_texts_may_be_empty_at_every_place() -> None:
    assert read(3, packed(b"", "Malmö".encode(), b"")) == ["", "Malmö", ""]


@pytest.mark.parametrize("cut", [1, 4, 5])
def test_a_text_that_ends_early_is_named(cut: int) -> None:
    with pytest.raises(Malformed, match='the input "city" ends in the middle of value 1'):
        read(2, packed(b"Oslo", b"Bergen")[:-cut])


def test_a_length_that_is_cut_is_named() -> None:
    with pytest.raises(Malformed, match="in the middle of value 1"):
        read(2, packed(b"Oslo") + b"\x01\x00")


@pytest.mark.parametrize(
    ("rows", "reason"), [(1, "more values than the 1 of its shape"), (3, "2 values, but its shape has 3")]
)
def test_another_number_of_texts_than_of_the_shape_is_named(rows: int, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        read(rows, packed(b"Oslo", b"Bergen"))
