"""Rows joined from pieces are those of joining texts one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.ml.files.cells import joining
from training.ml.files.cells.cells import Cells, split
from training.ml.files.cells.joining import Piece, content, join

TEXTS = st.one_of(st.text(st.characters(codec="utf-8"), max_size=12), st.text("ab\u20ac", max_size=90))
SAME = st.sampled_from([b"", b",", b'"name":', b"a text of more than twenty-four bytes", "\u20ac".encode()])


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[bytes | list[str]], int]:
    rows = draw(st.integers(0, 7))
    column = st.lists(TEXTS, min_size=rows, max_size=rows)
    return draw(st.lists(st.one_of(SAME, column), min_size=1, max_size=6)), rows


@given(
    tables(),
    st.sampled_from([b"\n", b"\r\n", b""]),
    st.sampled_from([2, 2_000]),
    st.sampled_from([8, 10_000]),
)
def test_joined_rows_are_those_of_texts(
    table: tuple[list[bytes | list[str]], int], end: bytes, at_once: int, counted: int
) -> None:
    columns, rows = table
    pieces = [column if isinstance(column, bytes) else Cells.of(column) for column in columns]
    expected = [
        b"".join(column if isinstance(column, bytes) else column[row].encode() for column in columns) + end
        for row in range(rows)
    ]
    before = joining._AT_ONCE, joining._COUNTED
    joining._AT_ONCE, joining._COUNTED = at_once, counted
    try:
        joined = join(pieces, rows, end)
    finally:
        joining._AT_ONCE, joining._COUNTED = before
    assert content(joined) == b"".join(expected)
    assert [joined[row] + end.decode() for row in range(rows)] == [text.decode() for text in expected]


def test_cells_of_a_block_are_joined_without_the_bytes_around_them() -> None:
    read = split(b"1,22,333\n4444,5,66\n", ",", 3)
    assert read is not None
    first, second, third = read.columns
    pieces: list[Piece] = [
        b"the same in all rows, and long: ",
        third,
        b"|",
        first.or_null([1]),
        b"|",
        second.replaced(np.array([0]), ["x"]),
    ]
    assert list(join(pieces, 2)) == [
        "the same in all rows, and long: 333|1|x",
        "the same in all rows, and long: 66|null|5",
    ]


def test_cells_know_what_they_begin_with_and_hold() -> None:
    cells = Cells.of(["=a", "", "a\\b", "-"])
    assert cells.begin_with(b"=-").tolist() == [True, False, False, True]
    assert cells.hold(ord("\\"))
    assert not cells[:2].hold(ord("\\"))
    assert not Cells.of([""]).begin_with(b"=").any()


def test_numbers_are_written_as_json_writes_them() -> None:
    assert list(Cells.of_numbers(np.array([0.5, 1.0, 0.1 + 0.2]))) == ["0.5", "1.0", "0.30000000000000004"]
    assert list(Cells.of_numbers(np.array([7, 10]))) == ["7", "10"]
    assert not len(Cells.of_numbers(np.empty(0)))
