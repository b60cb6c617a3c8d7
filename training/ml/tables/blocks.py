"""Reading a CSV file by column in blocks of rows: the only reader of CSV, strict and fast.

Blocks depend only on the file, so reading it again gives the same rows in the same blocks.
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

# rows of a block at most
ROWS = 10_000
# cells of a block, so blocks of wide tables have fewer rows
CELLS = 400_000
# characters; limits the memory that one line takes
LONGEST_LINE = 16 * 1024**2
# rows that are split together
AT_ONCE = 1_000


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a file.

    Attributes:
        first: the number of the first row, from 0.
        rows: the number of rows, including those of a wrong length.
        kept: the numbers of the rows with as many cells as the header; the other attributes are only about these rows.
        lines: the line of the file on which each row begins.
        columns: the cells of the rows by column of the file.
        texts: each row as in the file, without its line end; None if a cell of the block is quoted.
        problems: the rows of a wrong length, by number.
        offset: bytes of the file read so far.
        empty: the number of empty lines skipped before or among these rows; 0 in a file of one column, where an empty
            line is a row with a missing value.
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


def read_header(path: Path, delimiter: str = "") -> list[str]:
    """Return the names of a file's columns.

    Args:
        delimiter: as for `read_blocks`.

    Raises:
        TableError: the file is not CSV text, or a name is blank or a duplicate.
    """
    with _open(path) as file:
        return _Reader(path, file, delimiter).header


def rows(path: Path, delimiter: str = "") -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of a CSV file, first the header.

    Args:
        delimiter: as for `read_blocks`.

    Raises:
        TableError: at the first problem of the format.
    """
    with _open(path) as file:
        reader = _Reader(path, file, delimiter)
        yield reader.header_line, reader.header
        for block in iter(reader.next_block, None):
            bad = min(block.problems, default=None)
            cells = zip(block.kept, block.lines, zip(*block.columns, strict=True), strict=True)
            yield from ((line, list(row)) for number, line, row in cells if bad is None or number < bad)
            if bad is not None:
                raise TableError("the rows differ in length", [block.problems[bad]])


def read_blocks(path: Path, delimiter: str = "", skip: int = 0) -> Iterator[Block]:
    """Yield a file's rows below the header in blocks of at most 10,000 rows and 400,000 cells.

    Args:
        delimiter: the character between cells; if it is empty, it is recognised.
        skip: number of blocks to skip.

    Raises:
        TableError: the file is not CSV text in UTF-8. Rows of a wrong length do not raise; they are in the blocks.
    """
    with _open(path) as file:
        reader = _Reader(path, file, delimiter)
        for number, block in enumerate(iter(reader.next_block, None)):
            if number >= skip:
                yield block


def _open(path: Path) -> io.TextIOWrapper:
    return path.open(encoding="utf-8-sig", newline="")


class _Reader:
    """The reader of an open file, positioned after its header."""

    def __init__(self, path: Path, file: io.TextIOWrapper, delimiter: str) -> None:
        self._path, self._bytes = path, cast(io.BufferedReader, file.buffer)
        self._delimiter = delimiter or delimiter_of(path)
        self._texts = iter(partial(file.readline, LONGEST_LINE), "")
        self._lines = self._rows = self._empty = 0
        self.header_line = 0
        self.header: list[str] = []
        self.header = self._read_header()
        self._empty = 0
        self._most = max(1, min(ROWS, CELLS // len(self.header)))

    def next_block(self) -> Block | None:
        """Return the next block that has rows, or None at the end."""
        while taken := self._take(self._most):
            texts = [text.rstrip("\r\n") for text in taken]
            block = self._plain_block(texts) if _is_plain(texts) else self._quoted_block(taken)
            if block:
                self._rows += block.rows
                return block
        return None

    @property
    def _is_narrow(self) -> bool:
        """Return whether the file has a single column, in which an empty line is a cell."""
        return len(self.header) == 1

    def _read_header(self) -> list[str]:
        while taken := self._take(1):
            for line, cells in self._quoted_rows(taken):
                check_header(cells, line)
                self.header_line = line
                return cells
        raise TableError("the file is empty; expected a header line and rows of data")

    def _take(self, most: int) -> list[str]:
        """Read lines, up to a number of them and to 16 million characters."""
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
        """Split rows that have no quotes and no NUL."""
        begin = self._lines + 1
        self._lines += len(texts)
        lines: Sequence[int] = range(begin, begin + len(texts))
        if "" in texts and not self._is_narrow:
            self._empty += texts.count("")
            lines, texts = list(compress(lines, texts)), list(filter(None, texts))
        counts = [count + 1 for count in map(str.count, texts, repeat(self._delimiter))]
        return self._block(lines, counts, texts, None)

    def _quoted_block(self, taken: list[str]) -> Block | None:
        """Read lines with the csv module, and further ones if the last row continues on them."""
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
        """Split texts by column, in parts that still are in the processor's cache."""
        columns: list[list[str]] = [[] for _ in self.header]
        for begin in range(0, len(texts), AT_ONCE):
            cells = self._delimiter.join(texts[begin : begin + AT_ONCE]).split(self._delimiter)
            for place, column in enumerate(columns):
                column.extend(cells[place :: len(columns)])
        return columns


def _is_plain(texts: list[str]) -> bool:
    """Return whether the rows can be read just by splitting at the delimiter."""
    whole = "\n".join(texts)
    return '"' not in whole and "\x00" not in whole and max(map(len, texts)) <= csv.field_size_limit()
