"""Reading a CSV file by column in blocks of rows: the only reader of CSV, strict and fast.

Blocks depend only on the file, so reading it again gives the same rows in the same blocks. Rows without quotes are split
as bytes, into cells of which texts are made when they are asked for.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, compress, repeat
from pathlib import Path

from training.ml.files.cells.cells import split
from training.ml.files.lines import Lines
from training.ml.files.reading import (
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
# bytes; limits the memory that one line takes
LONGEST_LINE = 16 * 1024**2


@dataclass(frozen=True)
class Place:
    """Where a block is in its file, with which it can be read alone.

    Attributes:
        begin, end: bytes of the file before the block, and up to its end.
        line, row: number of lines and of rows below the header before it.
    """

    begin: int = 0
    end: int = 0
    line: int = 0
    row: int = 0


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a file.

    Attributes:
        first: the number of the first row, from 0.
        rows: the number of rows, including those of a wrong length.
        kept: the numbers of the rows with as many cells as the header; the other attributes are only about these rows.
        lines: the line of the file on which each row begins.
        columns: the cells of the rows by column of the file; empty if there are no such rows.
        texts: each row as in the file, without its line end; None if a cell of the block is quoted.
        problems: the rows of a wrong length, by number.
        place: where it is in the file.
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
    place: Place = Place()
    empty: int = 0

    @property
    def offset(self) -> int:
        """Bytes of the file up to its end."""
        return self.place.end


def read_header(path: Path, delimiter: str = "") -> list[str]:
    """Return the names of a file's columns.

    Args:
        delimiter: as for `read_blocks`.

    Raises:
        TableError: the file is not CSV text, or a name is blank or a duplicate.
    """
    with _open(path, delimiter) as reader:
        return reader.header


def rows(path: Path, delimiter: str = "") -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of a CSV file, first the header.

    Args:
        delimiter: as for `read_blocks`.

    Raises:
        TableError: at the first problem of the format.
    """
    with _open(path, delimiter) as reader:
        yield reader.header_line, reader.header
        for block in iter(reader.next_block, None):
            bad = min(block.problems, default=None)
            cells = zip(block.kept, block.lines, zip(*block.columns, strict=True), strict=True)
            yield from ((line, list(row)) for number, line, row in cells if bad is None or number < bad)
            if bad is not None:
                raise TableError("the rows differ in length", [block.problems[bad]])


def read_blocks(path: Path, delimiter: str = "") -> Iterator[Block]:
    """Yield a file's rows below the header in blocks of at most 10,000 rows and 400,000 cells.

    Args:
        delimiter: the character between cells; if it is empty, it is recognised.

    Raises:
        TableError: the file is not CSV text in UTF-8. Rows of a wrong length do not raise; they are in the blocks.
    """
    with _open(path, delimiter) as reader:
        yield from iter(reader.next_block, None)


def read_block(path: Path, delimiter: str, place: Place) -> Block:
    """Return the block at a place, as `read_blocks` yields it, without reading those before it.

    Raises:
        TableError: the file is another one than that of the place.
    """
    with _open(path, delimiter) as reader:
        return reader.block_at(place)


@contextmanager
def _open(path: Path, delimiter: str) -> Iterator["_Reader"]:
    with path.open("rb") as file:
        yield _Reader(path, Lines(file), delimiter)


class _Reader:
    """The reader of an open file, positioned after its header."""

    def __init__(self, path: Path, lines: Lines, delimiter: str) -> None:
        self._path, self._source = path, lines
        self._delimiter = delimiter or delimiter_of(path)
        self._lines = self._rows = self._empty = 0
        self.header_line = 0
        self.header: list[str] = []
        self.header = self._read_header()
        self._empty = 0
        self._most = max(1, min(ROWS, CELLS // len(self.header)))

    def next_block(self) -> Block | None:
        """Return the next block that has rows, or None at the end."""
        begin, line = self._source.offset, self._lines
        while taken := self._take(self._most):
            block = self._split_block(taken) or self._text_block(taken)
            if block:
                self._rows += block.rows
                return replace(block, place=Place(begin, self._source.offset, line, block.first))
        return None

    def block_at(self, place: Place) -> Block:
        """Return the block at a place."""
        taken = self._source.between(place.begin, place.end)
        self._lines, self._rows = place.line, place.row
        block = (self._split_block(taken) or self._text_block(taken)) if taken else None
        if block is None:
            raise TableError("the file has changed since it was checked")
        return replace(block, place=place)

    @property
    def _is_narrow(self) -> bool:
        """Return whether the file has a single column, in which an empty line is a cell."""
        return len(self.header) == 1

    def _read_header(self) -> list[str]:
        while taken := self._take(1):
            for line, cells in self._quoted_rows(self._texts(taken)):
                check_header(cells, line)
                self.header_line = line
                return cells
        raise TableError("the file is empty; expected a header line and rows of data")

    def _take(self, most: int) -> bytes:
        """Read lines, up to a number of them and to 16 MB."""
        taken = self._source.take(most, LONGEST_LINE)
        if len(taken) >= LONGEST_LINE:
            texts = self._texts(taken)
            if len(texts[-1].encode()) >= LONGEST_LINE:
                message = f"the line has more than {LONGEST_LINE:,} bytes; check for a missing line end"
                problem = FileProblem(self._lines + len(texts), "", message)
                raise TableError("the file is not a table", [problem])
        return taken

    def _texts(self, taken: bytes) -> list[str]:
        """Return lines as texts with their ends."""
        try:
            return list(io.StringIO(taken.decode(), newline=""))
        except UnicodeDecodeError as error:
            raise TableError(not_utf8(self._path)) from error

    def _further(self) -> Iterator[str]:
        while taken := self._source.take(1, LONGEST_LINE):
            yield from self._texts(taken)

    def _split_block(self, taken: bytes) -> Block | None:
        """Split rows that have no quotes and as many cells as the header; None if there are others."""
        cells = split(taken, self._delimiter, len(self.header))
        if cells is None or cells.longest > csv.field_size_limit():
            return None
        rows = len(cells.rows)
        begin, first = self._lines + 1, self._rows
        self._lines += rows
        empty, self._empty = self._empty, 0
        return Block(
            first,
            rows,
            range(first, first + rows),
            range(begin, begin + rows),
            cells.columns,
            cells.rows,
            empty=empty,
        )

    def _text_block(self, taken: bytes) -> Block | None:
        texts = self._texts(taken)
        plain = [text.rstrip("\r\n") for text in texts]
        return self._plain_block(plain) if _is_plain(plain) else self._quoted_block(texts)

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
            for text in chain(taken, self._further()):
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
        return Block(first, len(counts), kept, lines, columns, texts, problems, empty=empty)

    def _columns(self, texts: list[str]) -> list[list[str]]:
        cells = self._delimiter.join(texts).split(self._delimiter)
        return [cells[place :: len(self.header)] for place in range(len(self.header))] if texts else []


def _is_plain(texts: list[str]) -> bool:
    """Return whether the rows can be read just by splitting at the delimiter."""
    whole = "\n".join(texts)
    return '"' not in whole and "\x00" not in whole and max(map(len, texts)) <= csv.field_size_limit()
