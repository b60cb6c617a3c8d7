"""What the site writes as CSV is what its own reader, pandas and DuckDB read."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clfsite.core.web import csv_output
from training.ml.files import blocks

# NUL and halves of surrogate pairs are refused where values come in
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
ODD = st.text(st.sampled_from("ab0 ,;|\t\r\n\"'#=+-@"), max_size=6)
CELL = st.one_of(TEXT, ODD)
# DuckDB strips names, takes two that differ in case for one, and no line end in them
NAME = CELL.filter(lambda name: name.strip() and name == name.strip() and not set("\r\n") & set(name))


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """A header of two to five names, and up to 20 rows."""
    names = draw(st.lists(NAME, min_size=2, max_size=5, unique_by=str.casefold))
    row = st.lists(CELL, min_size=len(names), max_size=len(names))
    return [names, *draw(st.lists(row, min_size=1, max_size=20))]


@pytest.mark.promise(14)
@settings(deadline=None)
@given(table=tables())
@example(table=[["=", "'="], ["1", "2"]])
@example(table=[["'=a", "=A", "=a b"], ["1", "2", "3"]])
def test_every_reader_finds_the_cells_that_were_written(
    table: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    import duckdb

    path = tmp_path_factory.getbasetemp() / "written.csv"
    write(path, table)
    header, *rows = table
    expected = [csv_output.marked_names(header), *([csv_output.cell(value) for value in row] for row in rows)]
    assert csv_output.read_header(expected[0], header) == header
    assert [cells for _, cells in blocks.rows(path)] == expected
    assert [list(row) for block in blocks.read_blocks(path) for row in zip(*block.columns, strict=True)] == (
        expected[1:]
    )
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", header=None)
    assert frame.to_numpy().tolist() == expected
    with duckdb.connect() as database:
        result = database.read_csv(
            str(path), all_varchar=True, header=True, sep=",", quotechar='"', escapechar='"', comment=""
        )
        actual = [["" if value is None else value for value in row] for row in result.fetchall()]
        assert [result.columns, *actual] == expected


def write(path: Path, table: list[list[str]]) -> None:
    lines = [csv_output.header(table[0]), *csv_output.lines(table[1:])]
    path.write_text(csv_output.text(lines), encoding="utf-8", newline="")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_line_end_in_a_cell_does_not_end_the_row(end: str) -> None:
    (line,) = csv_output.lines([["1", f"two{end}lines"]])
    assert line == f'1,"two{end}lines"'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-1.5e3", "-1.5e3"),
        (-0.1, "-0.1"),
        (0.30000000000000004, "0.30000000000000004"),
        (True, "true"),
        (None, ""),
    ],
)
def test_a_value_is_written_so_that_no_spreadsheet_runs_it(value: object, written: str) -> None:
    assert csv_output.lines([["1", value]]) == [f"1,{written}"]


@pytest.mark.parametrize(
    ("text", "known", "read"),
    [
        ("'=1+1", {"=1+1"}, "=1+1"),
        ("'+", {"+", "-"}, "+"),
        ("''=", {"=", "'="}, "="),
        ("'=1+1", {"=1+1", "'=1+1"}, "'=1+1"),
        ("'=1+1", {"basic"}, "'=1+1"),
        ("'basic", {"basic"}, "'basic"),
        ("=1+1", {"=1+1"}, "=1+1"),
        ("", {""}, ""),
    ],
)
def test_a_known_text_is_read_back_without_the_mark_that_a_file_gave_it(
    text: str, known: set[str], read: str
) -> None:
    assert csv_output.read_back(text, known) == read


def test_our_columns_give_way_to_those_of_the_same_name() -> None:
    assert csv_output.beside(["id", "label"], ["age"]) == ["id", "label"]
    assert csv_output.beside(["id", "label"], ["Label", "clfsite_label"]) == ["id", "clfsite_clfsite_label"]


def test_a_name_with_another_delimiter_does_not_change_how_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    write(path, [["a;b;c", "d"], ["1", "2"]])
    assert next(blocks.rows(path))[1] == ["a;b;c", "d"]
