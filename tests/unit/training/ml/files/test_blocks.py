"""Reading CSV in blocks: the same rows, lines and faults as reading row by row, wherever a block ends."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from training.ml.files import blocks
from training.ml.files.blocks import Block, read_block, read_blocks, read_header, rows
from training.ml.files.reading import TableError

FILES = {
    "plain": "a,b\n1,2\n3,4\n5,6\n7,8\n9,10\n",
    "no line end at the end": "a,b\n1,2\n3,4",
    "CRLF": "a,b\r\n1,2\r\n3,4\r\n5,6\r\n",
    "CR only": "a,b\r1,2\r3,4\r5,6\r",
    "mixed line ends": "a,b\r\n1,2\n3,4\r5,6\r\n",
    "blank lines": "\n\na,b\n\n1,2\n\n\n3,4\n\n",
    "semicolons": "a;b\n1,5;2\n3;4,5\n5;6\n",
    "tabs": "a\tb\n1\t2\n 3\t4 \n5\t6\n",
    "pipes": "a|b\n1|2\n3|4\n",
    "BOM": "\ufeffa,b\n1,2\n",
    "quoted newlines": 'a,b\n1,"2\n2"\n"3\r\n3\n3",4\n5,6\n7,"8"\n9,10\n"11\n","\n\n"\n13,14\n',
    "quoted header": '"a\n1","b, c"\n1,2\n3,4\n5,6\n',
    "quote within a cell": 'a,b\n5" pipe,2\n3,4\n5,"say ""hi"""\n',
    "one column": "a\n1\n2\n\n3\n",
    "empty cells": "a,b\n,\n1,\n,2\n",
    "header only": "a,b\n",
    "text": "a,b\nä,ö\n\u2028,x\x0by\n\x1c,\x85\n",
}
FAULTS = {
    "0 bytes": b"",
    "blank": b"\n\n",
    "cp1252": "a,b\n1,2\n\xe4,3\n".encode("cp1252"),
    "NUL": b"a,b\n1,2\n3,\x004\n",
    "NUL beside quotes": b'a,b\n"1",2\n3,\x004\n',
    "unclosed quote": b'a,b\n1,2\n3,"4\n5,6\n7,8\n9,10\n',
    "text after a quote": b'a,b\n1,2\n3,"4"5\n',
    "huge field": b"a,b\n1,2\n" + b"x" * 140_000 + b",3\n",
    "duplicate header": b"a,a\n1,2\n",
    "blank header": b"a, \n1,2\n",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def read(path: Path) -> list[Block]:
    return list(read_blocks(path))


def cells(blocks: list[Block]) -> list[tuple[int, list[str]]]:
    """Every row of a good length with its line."""
    return [
        (line, list(row))
        for block in blocks
        for line, row in zip(block.lines, zip(*block.columns, strict=True), strict=True)
    ]


@pytest.mark.parametrize("most", [1, 2, 3, 10_000])
@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_rows_are_those_of_reading_row_by_row(
    text: str, most: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "ROWS", most)
    path.write_bytes(text.encode())
    (_, header), *expected = rows(path)
    result = read(path)
    assert read_header(path) == header
    assert cells(result) == expected
    assert [number for block in result for number in block.kept] == list(range(len(expected)))
    for block in result:
        if block.texts is not None:
            assert '"' not in "".join(block.texts)
            assert len(block.texts) == len(block.lines)


@pytest.mark.parametrize("most", [1, 2, 10_000])
@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_block_is_read_alone_as_among_the_others(
    text: str, most: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "ROWS", most)
    path.write_bytes(text.encode())
    for block in read(path):
        alone = read_block(path, "", block.place)
        assert cells([alone]) == cells([block])
        assert alone == replace(block, kept=alone.kept, lines=alone.lines)
        assert list(alone.kept) == list(block.kept)


def test_a_block_of_a_file_that_has_shrunk_is_a_problem(path: Path) -> None:
    path.write_text("a,b\n1,2\n")
    (block,) = read(path)
    path.write_text("a,b\n")
    with pytest.raises(TableError, match="has changed"):
        read_block(path, "", block.place)


@pytest.mark.parametrize("content", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_form_is_told_as_row_by_row(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(TableError) as expected:
        list(rows(path))
    with pytest.raises(TableError) as result:
        read(path)
    assert str(result.value) == str(expected.value)
    assert result.value.problems == expected.value.problems


@pytest.mark.parametrize("quoted", [False, True], ids=["plain", "quoted"])
def test_rows_of_a_wrong_length_are_left_out_and_named_by_line(quoted: bool, path: Path) -> None:
    good = '"1",2' if quoted else "1,2"
    path.write_text(f"a,b\n{good}\n1,2,3\n\n3\n5,6\n")
    (block,) = read(path)
    assert cells([block]) == [(2, ["1", "2"]), (6, ["5", "6"])]
    assert (block.rows, list(block.kept)) == (4, [0, 3])
    assert {row: (problem.line, problem.message) for row, problem in block.problems.items()} == {
        1: (3, "3 cells where the header has 2; a value that holds the delimiter must be in quotes"),
        2: (5, "1 cells where the header has 2; a value that holds a line end must be in quotes"),
    }


def test_a_file_of_long_rows_alone_has_no_row_left(path: Path) -> None:
    path.write_text("a,b\n1,2,3\n")
    (block,) = read(path)
    assert (block.rows, len(block.kept), len(block.problems)) == (1, 0, 1)


def test_blocks_are_bounded_in_rows_cells_and_characters(path: Path, monkeypatch: Any) -> None:
    path.write_text("a,b\n" + "1,2\n" * 25_000)
    assert [block.rows for block in read(path)] == [10_000, 10_000, 5_000]
    monkeypatch.setattr(blocks, "CELLS", 8_000)
    assert read(path)[0].rows == 4_000
    monkeypatch.setattr(blocks, "LONGEST_LINE", 400)
    assert read(path)[0].rows == 100


def test_a_line_without_an_end_is_not_read_to_its_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LONGEST_LINE", 1_000)
    path.write_text("a,b\n1,2\n" + "3," * 600)
    with pytest.raises(TableError, match="line 3: the line has more than 1,000 bytes"):
        read(path)


def test_the_offset_grows_to_the_size_of_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROWS", 3_000)
    path.write_text("a,b\n" + "1,2\n" * 10_000)
    offsets = [block.offset for block in read(path)]
    assert offsets == sorted(offsets)
    assert offsets[-1] == path.stat().st_size
    assert offsets[0] < path.stat().st_size / 2
