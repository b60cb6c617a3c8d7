"""Strict reading of the rows of a CSV file: errors name line and column, and nothing is guessed silently."""

import codecs
import csv
import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DELIMITERS = (",", ";", "\t", "|")
MAX_COLUMNS = 10_000
MAX_PROBLEMS = 20  # problems that an error lists
SAMPLE = 262_144  # bytes that are looked at to recognise the form of a file
SAMPLE_ROWS = 200
# how files begin that are no text; `sources` opens them, where a file may have another form
_ARCHIVES = {
    b"PK\x03\x04": "a zip archive or a workbook",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
}


@dataclass(frozen=True)
class FileProblem:
    """One problem of a file, with the line as editors count it, and the column's name if it is known."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        where = f'line {self.line}, column "{self.column}"' if self.column else f"line {self.line}"
        return f"{where}: {self.message}"


class TableError(ValueError):
    """The file is not a valid table; `problems` lists the places."""

    def __init__(self, message: str, problems: list[FileProblem] | None = None) -> None:
        self.problems = problems or []
        shown = "; ".join(map(str, self.problems[:3]))
        more = f" (and {len(self.problems) - 3} more)" if len(self.problems) > 3 else ""  # noqa: PLR2004
        super().__init__(f"{message}: {shown}{more}" if shown else message)


def malformed(error: csv.Error, line: int) -> TableError:
    """Return the error for a row that the CSV reader cannot read."""
    message = "a quote is opened but not closed" if "unexpected end" in str(error) else str(error)
    return TableError("the file is not well-formed CSV", [FileProblem(line, "", message)])


def ragged(line: int, length: int, expected: int) -> FileProblem:
    """Return the problem of a row that is longer or shorter than the header."""
    what = "the delimiter" if length > expected else "a line end"
    return FileProblem(
        line,
        "",
        f"{length:,} cells where the header has {expected:,}; a value that holds {what} must be in quotes",
    )


def delimiter_of(path: Path) -> str:
    """Return the delimiter of a CSV file in UTF-8, recognised in its first rows.

    Raises:
        TableError: the file is empty, or an archive.
    """
    with path.open("rb") as file:
        start = file.read(SAMPLE)
    if not start.strip():
        raise TableError("the file is empty; expected a header line and rows of data")
    for magic, name in _ARCHIVES.items():
        if start.startswith(magic):
            raise TableError(f"this is {name}, not CSV text")
    text = codecs.getincrementaldecoder("utf-8-sig")("replace").decode(start)
    end = text.rfind("\n")
    return best_delimiter(text[: end + 1] if len(start) == SAMPLE and end > 0 else text)


def best_delimiter(text: str) -> str:
    """Return the delimiter at which the rows have the same number of cells, the most cells first."""
    best, ranked = ",", (0.0, 0)
    for delimiter in (*DELIMITERS, " "):
        rows = []
        with suppress(csv.Error):
            for cells in cell_reader(io.StringIO(text, newline=""), delimiter):
                if any(cell.strip() for cell in cells):
                    rows.append(len(cells))
                if len(rows) > SAMPLE_ROWS:
                    break
        if not rows or max(rows) == 1:
            continue
        width = max(set(rows), key=rows.count)
        # blanks also stand in texts, so they part cells only where there are several in every row
        if delimiter == " " and (width < 3 or len(set(rows[1:])) != 1):  # noqa: PLR2004
            continue
        in_header = rows[0] > 1
        rank = (rows.count(width) / len(rows) if width > 1 else 0.0) + in_header, width
        if rank > ranked:
            best, ranked = delimiter, rank
    return best


def cell_reader(lines: Iterable[str], delimiter: str) -> Any:
    """Return the strict CSV reader of lines; several blanks between cells count as one."""
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter == " ", strict=True)


def undecodable(path: Path, encoding: str, line: int) -> TableError:
    """Return the error for a file that is not text in its encoding."""
    if encoding.lower().replace("_", "-").startswith("utf-8"):
        return TableError(not_utf8(path))
    return TableError(
        f"the file is not text in {encoding} (line {line}); choose another encoding, or save it as CSV (UTF-8)"
    )


def not_utf8(path: Path) -> str:
    """Say which byte of a file is not UTF-8, and on which line."""
    with path.open("rb") as file:
        for number, text in enumerate(file, start=1):
            try:
                text.decode()
            except UnicodeDecodeError as error:
                place = f"byte 0x{text[error.start]:02x} on line {number}"
                return f"the file is not UTF-8 ({place}); save it as CSV (UTF-8) and try again"
    return "the file is not UTF-8; save it as CSV (UTF-8) and try again"


def check_header(header: list[str], line: int) -> None:
    """Check that a header has a unique name for each column.

    Raises:
        TableError: names are blank or duplicates, or there are too many.
    """
    if len(header) > MAX_COLUMNS:
        raise TableError(f"the table has {len(header):,} columns; at most {MAX_COLUMNS:,} are allowed")
    problems = []
    seen: dict[str, int] = {}
    for position, name in enumerate(header, start=1):
        if not name.strip():
            problems.append(FileProblem(line, "", f"column {position} has no name; give every column a name"))
        elif name in seen:
            problems.append(
                FileProblem(line, name, f"duplicate name, in columns {seen[name]} and {position}; rename one")
            )
        seen.setdefault(name, position)
    if problems:
        raise TableError("the header is invalid", problems[:MAX_PROBLEMS])
