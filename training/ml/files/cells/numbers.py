"""Columns of plain numbers: in the notation of JSON, with the usual marks for missing ones.

They are read in two ways with the same results: from the bytes of their lines (cells.py), which takes a fifth of the time
(`make bench-read`), and else from texts.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from training.ml.files.cells.cells import Cells, Numbers
from training.ml.files.notation import ALWAYS_MISSING, OFTEN_MISSING, is_too_long
from training.ml.tables.digits import EXACT

# a cell of only these characters that JSON can read is a number or empty
_NUMBER_CHARACTERS = b"0123456789+-.eE,"
_MARKS = ALWAYS_MISSING | OFTEN_MISSING
# share of the cells of a column that are read as texts, beyond which all are
FEW_ODD = 0.1


def is_plain_number(text: str) -> bool:
    """Return whether a text is a number in the notation of JSON."""
    return _from_json([text]) is not None


def plain_numbers(
    cells: Sequence[str], *, compare: bool = True
) -> tuple[NDArray[Any], Counter[str], bool] | None:
    """Read cells as numbers in the notation of JSON, with the usual marks for missing ones.

    Args:
        compare: whether it is of interest that the numbers are in their shortest form; if not, the answer may be False.

    Returns:
        (int64, or float64 with NaN for missing; the marks and their counts; whether each number is in its shortest
        form), or None if a cell is written differently.
    """
    if isinstance(cells, Cells):
        numbers = cells.numbers(compare=compare)
        odd = list(cells.at(numbers.odd)) if len(numbers.odd) <= len(cells) * FEW_ODD else None
        if odd is not None and "-0" not in odd:
            return _with_odd(numbers, odd)
    return _from_texts(cells)


def _with_odd(numbers: Numbers, odd: Sequence[str]) -> tuple[NDArray[Any], Counter[str], bool] | None:
    """Add the few cells with exponents or marks for missing numbers; see `plain_numbers`."""
    is_gap = np.array([cell.strip() in _MARKS for cell in odd], dtype=bool)
    gaps = Counter(cell for cell in odd if cell.strip() in _MARKS)
    empty = int(np.count_nonzero(numbers.is_empty))
    if empty == len(numbers.values):
        return np.full(empty, np.nan), Counter({"": empty}), True
    if empty + gaps.total() == len(numbers.values):
        return None
    values, is_shortest = numbers.values, numbers.is_shortest
    if empty or odd:
        values = values.astype(np.float64)
        values[numbers.is_empty] = np.nan
        values[numbers.odd[is_gap]] = np.nan
        gaps.update({"": empty} if empty else {})
    if len(odd) > is_gap.sum():
        read = _from_json([cell for cell in odd if cell.strip() not in _MARKS])
        if read is None:
            return None
        values[numbers.odd[~is_gap]] = read[0]
        is_shortest &= read[1]
    return values, gaps, is_shortest


def _from_texts(cells: Sequence[str]) -> tuple[NDArray[Any], Counter[str], bool] | None:
    array = _from_json(cells)
    if array is not None:
        return array[0], Counter(), array[1]
    gaps = [row for row, cell in enumerate(cells) if cell.strip() in _MARKS]
    if not gaps or len(gaps) == len(cells):
        return (np.full(len(cells), np.nan), Counter(cells), True) if gaps and set(cells) == {""} else None
    texts = list(cells)
    for row in gaps:
        texts[row] = "0"
    array = _from_json(texts)
    if array is None:
        return None
    values = array[0].astype(np.float64)
    values[gaps] = np.nan
    return values, Counter(cells[row] for row in gaps), array[1]


def _from_json(cells: Sequence[str]) -> tuple[NDArray[Any], bool] | None:
    joined = ",".join(cells)
    if not joined.isascii() or (encoded := joined.encode()).translate(None, _NUMBER_CHARACTERS):
        return None
    try:
        values = orjson.loads(f"[{joined}]")
    except orjson.JSONDecodeError:
        return None
    if len(values) != len(cells):  # a decimal comma would split one number into two
        return None
    array = np.array(values)
    # the least integer of 64 bits has no positive counterpart
    if array.dtype == np.int64 and array.min() >= -EXACT and array.max() <= EXACT:
        return array, True
    if array.dtype != np.float64 or (np.abs(array).max() >= EXACT and any(map(is_too_long, cells))):
        return None
    return array, orjson.dumps(values)[1:-1] == encoded and b".0," not in encoded + b","
