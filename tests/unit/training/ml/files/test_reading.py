"""Reading CSV: what the file says is read, and every fault is named by line and column."""

import codecs
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from training.ml.files.blocks import rows
from training.ml.files.loading import read_table
from training.ml.files.reading import MAX_COLUMNS, MAX_PROBLEMS, TableError

Read = Callable[[str | bytes], pd.DataFrame]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


@pytest.fixture
def read(path: Path) -> Read:
    """Write the content to a file and read it as a table."""

    def write_and_read(content: str | bytes) -> pd.DataFrame:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path)

    return write_and_read


def refusal(read: Read, content: str | bytes) -> TableError:
    with pytest.raises(TableError) as caught:
        read(content)
    return caught.value


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("table.csv", "a,b\n1,2\n")
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"\n", b"  \r\n\n", codecs.BOM_UTF8], ids=repr)
def test_file_with_nothing_in_it_is_called_empty(read: Read, content: bytes) -> None:
    assert "the file is empty" in str(refusal(read, content))


@pytest.mark.parametrize("content", ["a,b", "a,b\n", "a,b\r\n\r\n"], ids=repr)
def test_header_without_rows_is_refused(read: Read, content: str) -> None:
    assert "a header and no rows" in str(refusal(read, content))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (zipped(), "a zip archive"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG picture"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"SQLite format 3\0", "an SQLite database"),
    ],
    ids=["zip", "png", "pdf", "sqlite"],
)
def test_file_that_is_no_table_is_refused_by_name(read: Read, content: bytes, name: str) -> None:
    assert f"this is {name}" in str(refusal(read, content))


def test_byte_order_mark_is_no_part_of_the_first_name(read: Read) -> None:
    assert list(read(codecs.BOM_UTF8 + b"a,b\n1,2\n").columns) == ["a", "b"]


def test_byte_that_no_encoding_explains_is_named_by_its_line(path: Path) -> None:
    rows_of_text = "name,n\n" + "Hans,1\n" * 50_000
    path.write_bytes(rows_of_text.encode() + "J\u00f6rg,2\n".encode("cp1252"))
    with pytest.raises(TableError, match=r"not UTF-8 \(byte 0xf6 on line 50002\)"):
        read_table(path)


@pytest.mark.parametrize(
    ("content", "line"), [("a\0,b\n1,2\n", 1), ("a,b\n1,2\n3,\0\n", 3)], ids=["header", "row"]
)
def test_nul_is_named_by_its_line(read: Read, content: str, line: int) -> None:
    error = refusal(read, content)
    assert error.problems[0].line == line
    assert "NUL" in str(error)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=repr)
def test_each_delimiter_gives_the_same_table(read: Read, delimiter: str) -> None:
    table = read("a,b\n1,x\n2,y\n".replace(",", delimiter))
    assert table.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


def test_delimiters_inside_a_quoted_name_do_not_count(read: Read) -> None:
    assert list(read('"a,b,c";d\n1;2\n').columns) == ["a,b,c", "d"]


@pytest.mark.parametrize("header", ["\na;b", "\r\n\r\na;b", '"a\nunit";b'], ids=repr)
def test_delimiter_is_found_where_the_header_is_not_the_first_line(read: Read, header: str) -> None:
    assert read(f"{header}\n1;2\n").shape == (1, 2)


@pytest.mark.parametrize(
    "content", ["a,b\n1,x\n2,y\n", "a,b\r\n1,x\r\n2,y\r\n", "a,b\r1,x\r2,y\r", "a,b\r\n1,x\n2,y\r"], ids=repr
)
def test_every_kind_of_line_end_gives_the_same_table(read: Read, content: str) -> None:
    assert read(content).to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


def test_quoted_newline_stays_in_its_cell(read: Read) -> None:
    assert read('a,b\n"x\ny",1\nz,2\n')["a"].tolist() == ["x\ny", "z"]


def test_lines_are_counted_as_an_editor_counts_them(read: Read) -> None:
    error = refusal(read, 'a,b\n"x\ny",1\n\nz,2,3\n')
    assert [problem.line for problem in error.problems] == [5]


def test_unclosed_quote_is_named_by_the_line_it_opens_on(read: Read) -> None:
    error = refusal(read, 'a,b\n1,x\n2,"y\n3,z\n')
    assert error.problems[0].line == 3
    assert "not closed" in str(error)


def test_text_after_a_closing_quote_is_refused(read: Read) -> None:
    assert refusal(read, 'a,b\n"x"y,1\n').problems[0].line == 2


@pytest.mark.parametrize(("row", "cells"), [("1,2,3", "3 cells"), ("1", "1 cells")], ids=["long", "short"])
def test_row_of_another_length_is_named_by_its_line(read: Read, row: str, cells: str) -> None:
    error = refusal(read, f"a,b\n1,2\n{row}\n")
    assert error.problems[0].line == 3
    assert cells in str(error)


def test_rows_that_are_all_longer_than_the_header_make_no_hidden_index(read: Read) -> None:
    assert refusal(read, "a,b\n1,2,3\n4,5,6\n").problems[0].line == 2


def test_huge_field_is_refused_by_its_line(read: Read) -> None:
    error = refusal(read, f"a,b\n1,2\n{'x' * 200_000},3\n")
    assert error.problems[0].line == 3
    assert len(str(error)) < 500


def test_duplicate_name_is_given_with_both_places(read: Read) -> None:
    error = refusal(read, "a,b,a\n1,2,3\n")
    assert error.problems[0].column == "a"
    assert "columns 1 and 3" in str(error)


@pytest.mark.parametrize("name", ["", "  "], ids=repr)
def test_column_without_a_name_is_called_by_its_place(read: Read, name: str) -> None:
    assert list(read(f"a,{name},c\n1,2,3\n").columns) == ["a", "column 2", "c"]


def test_too_many_columns_are_refused_and_the_limit_is_not(read: Read) -> None:
    def wide(columns: int) -> str:
        return ",".join(f"c{number}" for number in range(columns)) + "\n" + ",".join("1" * columns) + "\n"

    assert "10,001 columns" in str(refusal(read, wide(MAX_COLUMNS + 1)))
    assert read(wide(MAX_COLUMNS)).shape == (1, MAX_COLUMNS)


@pytest.mark.parametrize("cell", ["inf", "-inf", "Infinity", "-Infinity"])
def test_infinite_number_is_named_by_line_and_column(read: Read, cell: str) -> None:
    problem = refusal(read, f"a,b\n1,2\n3,{cell}\n").problems[0]
    assert (problem.line, problem.column) == (3, "b")
    assert "not a finite number" in problem.message


@pytest.mark.parametrize("cell", ["1e300", "-1e300"])
def test_number_too_large_to_compute_with_is_named_by_line_and_column(read: Read, cell: str) -> None:
    problem = refusal(read, f"a,b\n1,2\n3,{cell}\n").problems[0]
    assert (problem.line, problem.column) == (3, "b")


@pytest.mark.parametrize("mark", ["", "NA", "n/a", "NaN", "NULL", "   "], ids=repr)
def test_mark_of_missing_numbers_is_missing_in_texts_of_the_file_too(read: Read, mark: str) -> None:
    table = read(f"a,b\n{mark},word\n2,{mark}\n3,other\n")
    assert table.isna().sum().to_dict() == {"a": 1, "b": 1}
    assert table["a"].dtype == float


def test_slip_among_numbers_is_named_and_not_read_as_a_category(read: Read) -> None:
    problems = refusal(read, "a,b\n" + "1,2\n" * 20 + "l2,2\n" + "3,4\n").problems
    assert [(problem.line, problem.column) for problem in problems] == [(22, "a")]


def test_slip_is_named_with_the_ways_out(read: Read) -> None:
    message = refusal(read, "a,b\n" + "1,2\n" * 20 + "l2,2\n").problems[0].message
    assert 'got "l2"' in message
    assert "leave the cell empty if the value is missing" in message
    assert "use the column as a category if it holds codes" in message


def test_column_read_as_text_keeps_its_cells_as_they_are_written(path: Path) -> None:
    path.write_text("zip,code,n\n01234,7,1\n1.50,7,2\nNA,A7,3\n  ,7,4\n")
    table = read_table(path, texts=["zip", "code", "absent"])
    assert table["zip"].tolist()[:2] == ["01234", "1.50"]
    assert table["zip"].fillna("-").tolist() == ["01234", "1.50", "NA", "-"]
    assert table["code"].tolist() == ["7", "7", "A7", "7"]
    assert table["n"].dtype == int


def test_mostly_numeric_codes_are_read_as_text_where_they_would_be_slips(read: Read, path: Path) -> None:
    content = "code,b\n" + "100,2\n" * 30 + "A12,2\n"
    assert refusal(read, content).problems[0].line == 32
    assert read_table(path, texts=["code"])["code"].tolist() == ["100"] * 30 + ["A12"]


@pytest.mark.parametrize(
    ("cells", "line"),
    [(["a", "b", "1"], 2), (["1", "b", "a"], 3), (["true", "false", "true"], 2)],
    ids=["texts", "mixed", "booleans"],
)
def test_column_that_must_be_numbers_names_what_is_none(path: Path, cells: list[str], line: int) -> None:
    path.write_text("a;b\n" + "".join(f"{cell};2\n" for cell in cells))
    with pytest.raises(TableError) as caught:
        read_table(path, numbers=["a", "absent"])
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (line, "a")


def test_whole_numbers_beyond_64_bits_are_numbers_where_they_must_be(path: Path) -> None:
    path.write_text("a,b\n123456789012345678901234,1\n,2\n")
    assert read_table(path)["a"].tolist()[0] == "123456789012345678901234"
    assert read_table(path, numbers=["a"])["a"].dtype == float


def test_texts_with_some_numbers_among_them_stay_texts(read: Read) -> None:
    assert read("size,b\nS,1\n38,2\nM,3\n40,4\n")["size"].tolist() == ["S", "38", "M", "40"]


def test_message_shows_three_faults_and_counts_the_rest(read: Read) -> None:
    slips = "".join(f"l{number},2\n" for number in range(30))
    error = refusal(read, "a,b\n" + "1,2\n" * 300 + slips)
    assert len(error.problems) == MAX_PROBLEMS
    assert str(error).count("expected a number") == 3
    assert f"and {MAX_PROBLEMS - 3} more" in str(error)


def test_numbers_are_read_to_their_last_digit(read: Read) -> None:
    written = [0.1, 0.30000000000000004, 1 / 3, 5e-324, 123456.78901234567]
    assert read("a\n" + "\n".join(map(repr, written)) + "\n")["a"].tolist() == written


def test_rows_come_one_by_one_with_their_lines(path: Path) -> None:
    path.write_text('a;b\n\n1;"x\ny"\n2;z\n')
    assert list(rows(path)) == [(1, ["a", "b"]), (3, ["1", "x\ny"]), (5, ["2", "z"])]


def test_rows_before_a_fault_are_given_and_then_the_fault(path: Path) -> None:
    path.write_text("a,b\n1,2\n3\n")
    reader = rows(path)
    assert next(reader) == (1, ["a", "b"])
    assert next(reader) == (2, ["1", "2"])
    with pytest.raises(TableError, match="line 3"):
        next(reader)
