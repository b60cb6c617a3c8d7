"""The cells of a column as places in the bytes of their lines, from which numbers and codes are read without texts.

joining.py writes them into other lines in the same way.

One of two ways to read plain numbers, five times as fast (`make bench-read`) as that from texts in numbers.py, which
reads the blocks and columns that this one leaves: those with quotes, or with many numbers in other forms.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self, overload

import numpy as np
import orjson
from numpy.typing import NDArray

from training.ml.files.cells.words import (
    LONGEST,
    NONE,
    WORD,
    WORDS,
    ZEROS,
    Flags,
    Floats,
    Words,
    divide,
    read_digits,
)
from training.ml.tables.digits import EXACT

# before the first cell of a block, so that words of its bytes can be read
HEAD = b"null".rjust(LONGEST, b"\0")
_NULL = LONGEST - 4, LONGEST
Places = NDArray[np.intp]
_LF, _COMMA, _MINUS, _ZERO = b"\n,-0"
# decimal numbers of fewer digits differ as floats, so each is the shortest text of its float
_SHORT = np.uint64(10**15)
# numbers below may be written with an exponent
_SMALL = 1e-4
# by word and number of characters, the bits of the word that belong to a cell of so many characters
_KEPT = np.array(
    [
        [
            (2**64 - 1 << 8 * (WORD - min(max(size - WORD * word, 0), WORD))) % 2**64
            for size in range(LONGEST + 1)
        ]
        for word in range(WORDS)
    ],
    dtype=np.uint64,
)


class Numbers(NamedTuple):
    """Cells read as numbers.

    Attributes:
        values: int64 if all numbers are whole, else float64; 0 for cells that are empty or odd.
        is_empty: whether each cell is empty.
        odd: the rows of cells that are written in another way, such as with an exponent, or are no numbers.
        is_shortest: whether each number is the shortest text of its value.
    """

    values: NDArray[np.int64] | Floats
    is_empty: Flags
    odd: Places
    is_shortest: bool


class Cells(Sequence[str]):
    """The cells of a column; texts are made of them only when they are asked for.

    Attributes:
        data: the bytes of the lines in UTF-8, after `LONGEST` bytes of which the last are `null`.
        starts, ends: the places of each cell's first byte and of the byte after it. No cell of which a text is asked for
            holds a line end.
    """

    def __init__(self, data: NDArray[np.uint8], starts: Places, ends: Places) -> None:
        self.data, self.starts, self.ends = data, starts, ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Return texts as cells."""
        encoded = [text.encode() for text in texts]
        sizes = np.fromiter(map(len, encoded), np.intp, len(encoded))
        ends = np.cumsum(sizes) + LONGEST
        return cls(np.frombuffer(HEAD + b"".join(encoded) + b"\n", np.uint8), ends - sizes, ends)

    @classmethod
    def of_numbers(cls, values: NDArray[Any]) -> Self:
        """Return numbers as cells, in the notation of JSON and in their shortest form."""
        written = orjson.dumps(values.ravel(), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        data = np.frombuffer(HEAD + written + b"," * bool(values.size), np.uint8)
        ends = np.flatnonzero(data == _COMMA)
        return cls(data, np.concatenate([[LONGEST], ends + 1])[:-1], ends)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> "Cells": ...

    def __getitem__(self, index: int | slice) -> "str | Cells":
        if isinstance(index, slice):
            return Cells(self.data, self.starts[index], self.ends[index])
        return self._text(index)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def at(self, rows: Places) -> "Cells":
        """Return the cells of some rows."""
        return Cells(self.data, self.starts[rows], self.ends[rows])

    def or_null(self, rows: Sequence[int]) -> "Cells":
        """Return the cells, of which some are `null` instead."""
        if not len(rows):
            return self
        starts, ends = self.starts.copy(), self.ends.copy()
        starts[rows], ends[rows] = _NULL
        return Cells(self.data, starts, ends)

    def replaced(self, rows: Places, texts: Iterable[str]) -> "Cells":
        """Return the cells, of which some have another text."""
        others = Cells.of(texts)
        starts, ends = self.starts.copy(), self.ends.copy()
        starts[rows], ends[rows] = others.starts + len(self.data), others.ends + len(self.data)
        return Cells(np.concatenate([self.data, others.data]), starts, ends)

    def hold(self, byte: int) -> bool:
        """Return whether any cell has a byte."""
        before = np.concatenate([[0], np.cumsum(self.data == byte)])
        return bool((before[self.ends] > before[self.starts]).any())

    def begin_with(self, characters: bytes) -> Flags:
        """Return whether each cell begins with one of some characters, shape (cells,)."""
        firsts = self.data[np.minimum(self.starts, len(self.data) - 1)]
        found: Flags = np.isin(firsts, np.frombuffer(characters, np.uint8)) & (self.ends > self.starts)
        return found

    @cached_property
    def _texts(self) -> list[str]:
        if not len(self):
            return []
        is_one_piece = (self.starts[1:] == self.ends[:-1] + 1).all() and (
            self.data[self.ends[:-1]] == _LF
        ).all()
        lines = self.data[self.starts[0] : self.ends[-1]].tobytes() if is_one_piece else self.joined(_LF)
        return lines.decode().split("\n")

    def joined(self, delimiter: int) -> bytes:
        """Return the bytes of all cells with a byte between them."""
        sizes = self.ends - self.starts + 1
        after = np.cumsum(sizes)
        places = np.arange(after[-1])
        places += np.repeat(self.starts - after + sizes, sizes)
        taken = self.data[places]
        taken[after - 1] = delimiter
        return taken[:-1].tobytes()

    def codes(self) -> tuple[NDArray[np.intp], "Cells"] | None:
        """Return a code for each cell, and the distinct cells in the order in which they appear; None if one is long."""
        sizes = self.ends - self.starts
        longest = int(sizes.max(initial=0))
        if longest > LONGEST:
            return None
        import pandas as pd  # imported here, because processes that only answer requests do not need it

        codes = pd.factorize(self._word(0, sizes))[0]
        for word in range(1, -(-longest // WORD)):
            further, distinct = pd.factorize(self._word(word, sizes))
            codes = pd.factorize(codes * len(distinct) + further)[0]
        highest = np.maximum.accumulate(codes)
        is_first = np.ones(len(codes), dtype=bool)
        is_first[1:] = highest[1:] != highest[:-1]
        return codes, self.at(np.flatnonzero(is_first))

    def _word(self, word: int, sizes: Places, flip: np.uint64 = NONE) -> Words:
        """Return eight bytes of each cell, counted from its end, with some bits flipped; bytes before its start are 0."""
        words = np.ndarray((len(self.data) - WORD + 1,), "<u8", self.data, 0, (1,))
        taken = words[self.ends - WORD * (word + 1)]
        kept: Words = (taken ^ flip) & _KEPT[word][sizes]
        return kept

    def numbers(self, *, compare: bool = True) -> Numbers:
        """Read the cells as numbers in the notation of JSON without an exponent.

        Args:
            compare: whether `is_shortest` is of interest; if not, it is False.
        """
        sizes = self.ends - self.starts
        is_empty = sizes == 0
        is_negative = self.data[self.starts] == _MINUS
        has_negative = bool(is_negative.any())
        if has_negative:
            sizes -= is_negative
        longest = int(sizes.max(initial=0))
        is_long = sizes > LONGEST
        sizes = np.minimum(sizes, LONGEST).astype(np.int8)  # small numbers are fast
        count = max(1, -(-min(longest, LONGEST) // WORD))
        read = read_digits([self._word(word, sizes, flip=ZEROS) for word in range(count)])
        whole = sizes - read.decimals - read.has_point.view(np.int8)
        is_odd = is_long | read.is_odd | (whole < 1)
        is_odd |= (self.data[self.starts + is_negative] == _ZERO) & (whole > 1)
        is_odd |= read.has_point & (read.decimals == 0)
        if count > 1:
            is_odd |= ~read.has_point & (read.digits > EXACT)
        if has_negative:
            is_odd |= ~read.has_point & is_negative & (read.digits == 0)
        is_odd &= ~is_empty
        unread = is_odd | is_empty
        digits = np.where(unread, 0, read.digits) if unread.any() else read.digits
        odd = np.flatnonzero(is_odd)
        has_point = read.has_point & ~unread
        if not has_point.any():
            integers = digits.view(np.int64)
            integers = np.where(is_negative, -integers, integers) if has_negative else integers
            return Numbers(integers, is_empty, odd, is_shortest=True)
        values, is_sure = divide(digits, read.decimals)
        for row in np.flatnonzero(~is_sure & ~unread).tolist():
            values[row] = abs(float(self._text(row)))
        values = np.where(is_negative, -values, values) if has_negative else values
        is_shortest = compare and self._are_shortest(values, digits, has_point)
        return Numbers(values, is_empty, odd, is_shortest)

    def _text(self, row: int) -> str:
        return self.data[self.starts[row] : self.ends[row]].tobytes().decode()

    def _are_shortest(self, values: Floats, digits: Words, has_point: Flags) -> bool:
        """Return whether decimal numbers are the shortest texts of their values: 2.5 and 2, neither 2.50 nor 2.0."""
        is_last_zero = self.data[self.ends - 1] == _ZERO
        if (is_last_zero & has_point).any():
            return False
        size = np.abs(values)
        doubtful = np.flatnonzero(has_point & ((digits >= _SHORT) | ((size < _SMALL) & (size > 0))))
        if not len(doubtful):
            return True
        written = orjson.dumps(values[doubtful], option=orjson.OPT_SERIALIZE_NUMPY)
        return written[1:-1] == self.at(doubtful).joined(_COMMA)


class Rows(NamedTuple):
    """Lines split into cells.

    Attributes:
        rows: the lines without their ends.
        longest: bytes of the longest line.
    """

    columns: list[Cells]
    rows: Cells
    longest: int


def split(lines: bytes, delimiter: str, width: int) -> Rows | None:
    """Split lines without quotes and NUL into cells; None if there are such lines, others in length, or not in UTF-8."""
    if b'"' in lines or b"\0" in lines or not _is_utf8(lines):
        return None
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not lines.endswith(b"\n"):
        lines += b"\n"
    data = np.frombuffer(HEAD + lines, np.uint8)
    is_end = data == _LF
    places = np.flatnonzero(is_end | (data == ord(delimiter)))
    count = int(np.count_nonzero(is_end))
    if len(places) != count * width or not is_end[places[width - 1 :: width]].all():
        return None
    ends = np.ascontiguousarray(places.reshape(count, width).T)
    first = np.empty(count, dtype=np.intp)
    first[0] = LONGEST
    first[1:] = ends[-1, :-1] + 1
    starts = [first, *(ends[:-1] + 1)]
    columns = [Cells(data, start, end) for start, end in zip(starts, ends, strict=True)]
    return Rows(columns, Cells(data, first, ends[-1]), int((ends[-1] - first).max()))


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
