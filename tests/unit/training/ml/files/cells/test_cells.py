"""Cells as places in bytes: the same numbers, codes, tables and faults as from texts."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from training.ml.files import blocks, lines
from training.ml.files.cells import numbers
from training.ml.files.cells.cells import Cells, split
from training.ml.files.cells.numbers import plain_numbers
from training.ml.files.columns import read_columns
from training.ml.files.lines import Lines
from training.ml.files.options import Options
from training.ml.files.reading import TableError

# cells that are numbers, or almost
NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.integers(-1000, 1000).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e9, 1e9).map(lambda value: f"{value:.4f}"),
    st.floats(-1, 1).map(lambda value: f"{value:.17f}"),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.from_regex(r"-?[0-9]{1,18}\.?[0-9]{0,18}", fullmatch=True),
    st.sampled_from(
        ["0", "-0", "-0.0", "0.0", "007", "1.", ".5", "+1", "1e5", "1E-7", "0.00001", "1.50", "-", "--1"]
    ),
    st.sampled_from(
        ["9007199254740992", "9007199254740993", "-9007199254740993", "0.1", "1e400", "1 000", "1,5"]
    ),
)
MARKS = st.sampled_from(["", " ", "NA", "n/a", "nan", "-", "?", "None"])
TEXTS = st.one_of(
    st.sampled_from(["a", "b", "yes", "no", "true", "false", "TRUE", "Total", "\u00e4\u00f6", "2021-05-15"]),
    st.text(st.characters(codec="utf-8", exclude_characters='\0\r\n",;"'), max_size=40),
)
KINDS = [
    NUMBERS,
    st.one_of(NUMBERS, MARKS),
    st.integers().map(str),
    MARKS,
    TEXTS,
    st.one_of(NUMBERS, TEXTS, MARKS),
]


def as_cells(texts: list[str]) -> Cells:
    rows = split(("\n".join(texts) + "\n").encode(), ",", 1)
    assert rows is not None
    return rows.columns[0]


def same(left: Any, right: Any) -> bool:
    """Whether two arrays have the same type and values, to the last bit."""
    return bool(left.dtype == right.dtype and left.tobytes() == right.tobytes())


@pytest.mark.parametrize(
    ("text", "value", "is_shortest"),
    [
        ("0.5", 0.5, True),
        ("-0.0", -0.0, False),
        ("0.50", 0.5, False),
        ("12345678.12345678", 12345678.12345678, True),
        ("123456789012345.25", 123456789012345.25, True),
        ("0.30000000000000004", 0.30000000000000004, True),
        ("0.3000000000000000444", 0.30000000000000004, False),
        ("0.1000000000000000055", 0.1, False),
        ("9007199254740993.0", 9007199254740992.0, False),
    ],
)
def test_a_decimal_is_the_nearest_float_and_known_to_be_its_shortest_text(
    text: str, value: float, is_shortest: bool
) -> None:
    read = as_cells([text]).numbers()
    assert same(read.values, np.array([value]))
    assert (read.is_shortest, list(read.odd)) == (is_shortest, [])


@given(st.lists(st.tuples(st.integers(0, 10**19 - 1), st.integers(0, 22)), min_size=1))
@example([(9007199254740993, 0), (18014398509481985, 1)])
def test_decimals_are_the_nearest_floats(parts: list[tuple[int, int]]) -> None:
    texts = [f"{digits:0{max(2, places + 1)}d}" for digits, places in parts]
    texts = [
        f"{text[:-places]}.{text[-places:]}" for text, (_, places) in zip(texts, parts, strict=True) if places
    ]
    texts = [f"{int(whole)}.{rest}" for whole, _, rest in (text.partition(".") for text in texts)] or ["0.5"]
    read = as_cells(texts).numbers()
    good = np.setdiff1d(np.arange(len(texts)), read.odd)
    assert read.values[good].tolist() == [float(texts[row]) for row in good]


@given(st.one_of(*(st.lists(kind, min_size=1, max_size=40) for kind in KINDS)), st.sampled_from([0.1, 1.0]))
@settings(max_examples=200)
@example(["1", "-0", "2.5"], 1.0)
@example(["NA", "NA"], 1.0)
@example(["", ""], 1.0)
@example(["1e5", "", "NA"], 1.0)
@example(["9007199254740993", "1.5"], 1.0)
@example(["0"] * 9 + ["-9223372036854775808"], 0.1)
def test_numbers_are_read_as_from_texts(cells: list[str], few: float) -> None:
    cells = [cell.replace("\n", "").replace("\r", "").replace(",", ".") for cell in cells]
    expected = plain_numbers(cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "FEW_ODD", few)
        result = plain_numbers(as_cells(cells))
    assert (result is None) == (expected is None)
    if result and expected:
        assert same(result[0], expected[0])
        assert result[1:] == expected[1:]


@given(st.lists(st.one_of(NUMBERS, TEXTS), min_size=1, max_size=60))
def test_codes_name_the_cells_in_the_order_in_which_they_appear(cells: list[str]) -> None:
    cells = [cell.replace(",", ".") for cell in cells]
    coded = as_cells(cells).codes()
    if coded is None:
        assert max(len(cell.encode()) for cell in cells) > 24
    else:
        codes, distinct = coded
        assert list(distinct) == list(dict.fromkeys(cells))
        assert [distinct[code] for code in codes] == cells


def test_cells_are_a_sequence_of_texts() -> None:
    cells = as_cells(["a", "", "\u00fc", "b"])
    assert list(cells) == ["a", "", "\u00fc", "b"] == cells
    assert (len(cells), cells[-1], list(cells[1:3]), list(cells[:0])) == (4, "b", ["", "\u00fc"], [])


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Files as people have them, few of them without a fault."""
    delimiter = draw(st.sampled_from([",", ",", ";", "\t"]))
    width, rows = draw(st.integers(1, 4)), draw(st.integers(0, 12))
    kinds = [draw(st.sampled_from(KINDS)) for _ in range(width)]
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    text = delimiter.join(f"c{place}" for place in range(width)) + end
    for _ in range(rows):
        cells = [draw(kind).replace(delimiter, "") for kind in kinds]
        oddity = draw(st.integers(0, 60))
        if oddity == 0:
            cells.append("")
        elif oddity == 1:
            cells[0] = f'"{cells[0]}{end}"'
        elif oddity == 2:
            cells[0] += "\0"
        text += delimiter.join(cells) + (end if oddity != 3 else "\n") + (end if oddity == 4 else "")
    data = text.encode()
    if draw(st.integers(0, 5)) == 0:
        data = data.removesuffix(end.encode())
    if draw(st.integers(0, 40)) == 0:
        data += b"\xe4" + data[:5]
    return (b"\xef\xbb\xbf" if draw(st.booleans()) else b"") + data


def outcome(data: bytes, options: dict[str, Any]) -> tuple[Any, ...]:
    """All that is known of a file, or its fault."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(data)
        delimiter = next(mark for mark in (";", "\t", ",") if mark.encode() in data or mark == ",")
        try:
            table = read_columns(path, delimiter, **options)
        except TableError as error:
            return str(error), error.problems
    values = [
        (
            name,
            column.values.dtype,
            pd.util.hash_pandas_object(column.values).tolist(),
            list(map(repr, column.values)),
        )
        for name, column in table.columns.items()
    ]
    kinds = [(column.notation, column.is_text) for column in table.columns.values()]
    return values, kinds, table.rows, table.notes, table.is_canonical


@given(
    files(),
    st.sampled_from(
        [
            {},
            {"target": "c1"},
            {"target": "c0", "texts": ["c1"]},
            {"numbers": ["c0"]},
            {"numbers": ["c0"], "is_stored": True},
            {"options": Options(missing=("1", "a"), keep=("NA",))},
            {"options": Options(decimal=",")},
        ]
    ),
    st.sampled_from([2, 3, 10_000]),
    st.sampled_from([0.1, 1.0]),
)
@settings(max_examples=100, deadline=None)
def test_a_file_is_read_as_from_texts(data: bytes, options: dict[str, Any], rows: int, few: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ROWS", rows)
        patch.setattr(numbers, "FEW_ODD", few)
        patch.setattr(lines, "CHUNK", 7)
        result = outcome(data, options)
        patch.setattr(blocks, "split", lambda *_: None)
        assert result == outcome(data, options)


@given(st.text(st.sampled_from("ab,\r\n"), max_size=30), st.integers(1, 4), st.integers(1, 8))
def test_lines_are_those_of_the_standard_library(text: str, most: int, chunk: int) -> None:
    expected = list(io.StringIO(text, newline=""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "CHUNK", chunk)
        source = Lines(io.BytesIO(text.encode()))
        taken = list(iter(lambda: source.take(most, 1000).decode(), ""))
    assert taken == ["".join(expected[first : first + most]) for first in range(0, len(expected), most)]
    assert source.offset == len(text)


def test_a_float_of_json_is_written_as_the_reader_expects() -> None:
    """The reader leaves out the comparison for numbers from 0.0001 with up to 15 digits."""
    for text in [
        "0.0001",
        "0.000123456789012345",
        "0.5",
        "1.0",
        "123456789012.0",
        "99999999999999.9",
        "100000000000000.0",
    ]:
        assert orjson.dumps(float(text)).decode() == text
