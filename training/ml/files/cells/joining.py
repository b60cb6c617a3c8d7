"""Texts of many rows at once, joined from pieces column by column: the bytes are copied, and no text is made.

A piece of 10,000 rows takes 0.05 to 0.3 ms, a tenth of what formatting the rows one by one takes.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.ml.files.cells.cells import HEAD, Cells, Places
from training.ml.files.cells.words import LONGEST

# the same bytes in all rows, or a cell for each
Piece: TypeAlias = bytes | Cells
# bytes; the number of cells of each size is counted in a table up to this one
_COUNTED = 10_000
# rows that are written at once, so that their bytes stay in the processor's cache
_AT_ONCE = 2_000


def join(pieces: Sequence[Piece], rows: int, end: bytes = b"\n") -> Cells:
    """Return the text of each row, which are its pieces one after the other.

    Args:
        end: the bytes between two rows, and after the last one.
    """
    pieces = _merged(pieces)
    lengths = np.broadcast_to(np.asarray(sum(map(_sizes, pieces))), rows)
    after = len(HEAD) + np.cumsum(lengths + len(end))
    data = np.empty(after[-1] if rows else len(HEAD), np.uint8)
    data[: len(HEAD)] = np.frombuffer(HEAD, np.uint8)
    ends = after - len(end)
    for first in range(0, rows, _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        _write_same(end, data, after[part])
        _write_rows([_part(piece, part) for piece in pieces], data, ends[part])
    return Cells(data, ends - lengths, ends)


def content(cells: Cells) -> bytes:
    """Return the joined rows with their ends."""
    return cells.data[len(HEAD) :].tobytes()


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces with neighbouring bytes in one."""
    merged: list[Piece] = []
    for piece in pieces:
        if merged and isinstance(piece, bytes) and isinstance(merged[-1], bytes):
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def _sizes(piece: Piece) -> int | Places:
    return len(piece) if isinstance(piece, bytes) else piece.ends - piece.starts


def _part(piece: Piece, rows: slice) -> Piece:
    return piece if isinstance(piece, bytes) else piece[rows]


def _write_rows(pieces: Sequence[Piece], data: NDArray[np.uint8], ends: Places) -> None:
    """Write the pieces of rows in front of the places, the last piece first."""
    room = len(pieces[0]) if isinstance(pieces[0], bytes) else 0
    for piece in reversed(pieces):
        if isinstance(piece, bytes):
            _write_same(piece, data, ends)
        else:
            _write(piece, data, ends, room)
        ends = ends - _sizes(piece)


def _write_same(piece: bytes, data: NDArray[np.uint8], ends: Places) -> None:
    """Write bytes in front of the places."""
    if piece and len(ends):
        _items(data, len(piece))[ends - len(piece)] = np.frombuffer(piece, f"V{len(piece)}")


def _write(cells: Cells, data: NDArray[np.uint8], ends: Places, room: int) -> None:
    """Write a cell of each row in front of the places.

    Args:
        room: bytes at the begin of the row, which are written later.
    """
    sizes = cells.ends - cells.starts
    longest = int(sizes.max(initial=0))
    if longest <= min(room, LONGEST):
        # with the bytes in front of shorter cells, over which the pieces in front are written
        if longest:
            _items(data, longest)[ends - longest] = _items(cells.data, longest)[cells.ends - longest]
        return
    distinct = np.flatnonzero(np.bincount(sizes)) if longest < _COUNTED else np.unique(sizes)
    for size in filter(None, distinct.tolist()):
        rows = np.flatnonzero(sizes == size) if len(distinct) > 1 else slice(None)
        _items(data, size)[ends[rows] - size] = _items(cells.data, size)[cells.starts[rows]]


def _items(data: NDArray[np.uint8], size: int) -> NDArray[np.void]:
    """Return the bytes from each place on as an item of a size."""
    return np.ndarray((len(data) - size + 1,), f"V{size}", data, 0, (1,))
