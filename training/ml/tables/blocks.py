"""Reading a CSV file by column, a block of rows at a time: as strict as `table.rows`, several times as fast.

Blocks depend on the file alone, so that a second reading meets the same rows in the same block.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, compress, repeat
from pathlib import Path
from typing import cast

from training.ml.tables.reading import (
    FileProblem,
    TableError,
    check_header,
    delimiter_of,
    malformed,
    not_utf8,
    ragged,
)

ROWS = 10_000
# a block of a wide table has fewer rows
CELLS = 400_000
# a line is held in memory as a whole
LONGEST_LINE = 16 * 1024**2
AT_ONCE = 1_000


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a file.

    Attributes:
        first: the number of its first row, from 0.
        rows: how many it has, those of a wrong length among them.
        kept: the numbers of the rows with as many cells as the header; all else here is about them.
        lines: on which line of the file each begins.
        columns: their cells by column of the file.
        texts: each row as the file has it, without line end; None where a cell of the block is quoted.
        problems: the rows of a wrong length, by number.
        offset: bytes of the file read up to here.
        empty: how many empty lines were skipped before or among these rows; in a file of one column none are, as there
            an empty line is a row without a value.
    """

    first: int
    rows: int
    kept: Sequence[int]
    lines: Sequence[int]
    columns: Sequence[Sequence[str]]
    texts: Sequence[str] | None
    problems: dict[int, FileProblem] = field(default_factory=dict)
    offset: int = 0
    empty: int = 0


def read_header(path: Path) -> list[str]:
    """Return the names of a file's columns.

    Raises:
        TableError: no CSV text, or blank or duplicate names.
    """
    with _open(path) as file:
        return _Reader(path, file).header


def read_blocks(path: Path, skip: int = 0) -> Iterator[Block]:
    """Yield a file's rows below the header in blocks of at most 10,000 rows and 400,000 cells.

    Args:
        skip: how many blocks to leave out.

    Raises:
        TableError: where the file is not CSV text in UTF-8; rows of a wrong length are in the blocks.
    """
    with _open(path) as file:
        reader = _Reader(path, file)
        for number, block in enumerate(iter(reader.next_block, None)):
            if number >= skip:
                yield block


def _open(path: Path) -> io.TextIOWrapper:
    return path.open(encoding="utf-8-sig", newline="")


class _Reader:
    """A file being read, past its header."""

    def __init__(self, path: Path, file: io.TextIOWrapper) -> None:
        self._path, self._bytes = path, cast(io.BufferedReader, file.buffer)
        self._delimiter = delimiter_of(path)
        self._texts = iter(partial(file.readline, LONGEST_LINE), "")
        self._lines = self._rows = self._empty = 0
        self.header: list[str] = []
        self.header = self._read_header()
        self._empty = 0
        self._most = max(1, min(ROWS, CELLS // len(self.header)))

    def next_block(self) -> Block | None:
        """The next block with a row in it, None at the end."""
        while taken := self._take(self._most):
            texts = [text.rstrip("\r\n") for text in taken]
            block = self._plain_block(texts) if _is_plain(texts) else self._quoted_block(taken)
            if block:
                self._rows += block.rows
                return block
        return None

    @property
    def _is_narrow(self) -> bool:
        """Whether the file has one column, whose cells may be empty lines."""
        return len(self.header) == 1

    def _read_header(self) -> list[str]:
        while taken := self._take(1):
            for line, cells in self._quoted_rows(taken):
                check_header(cells, line)
                return cells
        raise TableError("the file is empty; expected a header line and rows of data")

    def _take(self, most: int) -> list[str]:
        """The next lines, up to a number of them and to 16 million characters."""
        taken: list[str] = []
        size = 0
        try:
            for text in self._texts:
                taken.append(text)
                size += len(text)
                if len(taken) == most or size >= LONGEST_LINE:
                    break
        except UnicodeDecodeError as error:
            raise TableError(not_utf8(self._path)) from error
        if taken and len(taken[-1]) >= LONGEST_LINE:
            message = f"the line has more than {LONGEST_LINE:,} characters; check for a missing line end"
            problem = FileProblem(self._lines + len(taken), "", message)
            raise TableError("the file is not a table", [problem])
        return taken

    def _plain_block(self, texts: list[str]) -> Block | None:
        """Split rows of which none holds a quote or a NUL."""
        begin = self._lines + 1
        self._lines += len(texts)
        lines: Sequence[int] = range(begin, begin + len(texts))
        if "" in texts and not self._is_narrow:
            self._empty += texts.count("")
            lines, texts = list(compress(lines, texts)), list(filter(None, texts))
        counts = [count + 1 for count in map(str.count, texts, repeat(self._delimiter))]
        return self._block(lines, counts, texts, None)

    def _quoted_block(self, taken: list[str]) -> Block | None:
        """Let the csv module read lines, and those after them that their last row goes on in."""
        numbered = self._quoted_rows(taken)
        rows = [cells for _, cells in numbered]
        return self._block([line for line, _ in numbered], list(map(len, rows)), None, rows)

    def _quoted_rows(self, taken: list[str]) -> list[tuple[int, list[str]]]:
        begin, used = self._lines, 0
        numbered = []

        def feed() -> Iterator[str]:
            nonlocal used
            for text in chain(taken, self._texts):
                used += 1
                if "\x00" in text:
                    raise TableError(
                        "the file is not text", [FileProblem(begin + used, "", "holds a NUL byte")]
                    )
                yield text

        reader = csv.reader(feed(), delimiter=self._delimiter, strict=True)
        line = begin + 1
        try:
            while used < len(taken):
                line = begin + used + 1
                cells = next(reader)
                if cells or self._is_narrow:
                    numbered.append((line, cells or [""]))
                else:
                    self._empty += 1
        except csv.Error as error:
            raise malformed(error, line) from error
        except UnicodeDecodeError as error:
            raise TableError(not_utf8(self._path)) from error
        self._lines = begin + used
        return numbered

    def _block(
        self,
        lines: Sequence[int],
        counts: list[int],
        texts: list[str] | None,
        rows: list[list[str]] | None,
    ) -> Block | None:
        if not counts:
            return None
        first, width = self._rows, len(self.header)
        kept: Sequence[int] = range(first, first + len(counts))
        problems = {}
        if set(counts) != {width}:
            whole = [count == width for count in counts]
            problems = {
                first + place: ragged(lines[place], count, width)
                for place, count in enumerate(counts)
                if count != width
            }
            kept, lines = list(compress(kept, whole)), list(compress(lines, whole))
            texts, rows = texts and list(compress(texts, whole)), rows and list(compress(rows, whole))
        columns = self._columns(texts) if texts is not None else list(zip(*rows or (), strict=True))
        empty, self._empty = self._empty, 0
        return Block(first, len(counts), kept, lines, columns, texts, problems, self._bytes.tell(), empty)

    def _columns(self, texts: list[str]) -> list[list[str]]:
        """Split texts by column, a part at a time: what has just been read is still in the processor's cache."""
        columns: list[list[str]] = [[] for _ in self.header]
        for begin in range(0, len(texts), AT_ONCE):
            cells = self._delimiter.join(texts[begin : begin + AT_ONCE]).split(self._delimiter)
            for place, column in enumerate(columns):
                column.extend(cells[place :: len(columns)])
        return columns


def _is_plain(texts: list[str]) -> bool:
    """Whether splitting at the delimiter is all that reading takes."""
    whole = "\n".join(texts)
    return '"' not in whole and "\x00" not in whole and max(map(len, texts)) <= csv.field_size_limit()
