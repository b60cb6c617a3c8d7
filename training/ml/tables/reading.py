"""Strict reading of the rows of a CSV file: errors name line and column, and nothing is guessed silently."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DELIMITERS = (",", ";", "\t", "|")
MAX_COLUMNS = 10_000
MAX_PROBLEMS = 20  # problems that an error lists
# These texts mean a missing value in training tables and in files to score; pandas has the same defaults.
MISSING = frozenset(
    [
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
        "",
    ]
)
_MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "a PNG picture",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
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


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of a CSV file, first the checked header; only one row is in memory at a time.

    Raises:
        TableError: at the first problem of the format.
    """
    delimiter = delimiter_of(path)
    header: list[str] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_no_nul(file), delimiter=delimiter, strict=True)
        line = 1
        try:
            for read in reader:
                # In a file of one column, an empty line is a row with an empty cell.
                cells = read or [""] * (len(header) == 1)
                if not cells:
                    line = reader.line_num + 1
                    continue
                if not header:
                    header = cells
                    check_header(header, line)
                elif len(cells) != len(header):
                    raise TableError("the rows differ in length", [ragged(line, len(cells), len(header))])
                yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise malformed(error, line) from error
        except UnicodeDecodeError as error:
            raise TableError(not_utf8(path)) from error
    if not header:
        raise TableError("the file is empty; expected a header line and rows of data")


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
    """Return the allowed delimiter that is most frequent in the header line.

    Raises:
        TableError: the file is empty, or begins like another format.
    """
    with path.open("rb") as file:
        start = file.read(65_536)
    if not start.strip():
        raise TableError("the file is empty; expected a header line and rows of data")
    for magic, name in _MAGIC.items():
        if start.startswith(magic):
            raise TableError(f"this is {name}, not CSV text; save the table as CSV (UTF-8) and try again")
    text = codecs.getincrementaldecoder("utf-8-sig")("replace").decode(start).lstrip("\r\n")
    # Quoted names are removed from the header, because they may contain delimiters and line ends.
    header = re.split(r"[\r\n]", re.sub(r'"(?:[^"]|"")*"', "", text), maxsplit=1)[0]
    return max(DELIMITERS, key=header.count)


def _no_nul(file: io.TextIOWrapper) -> Iterator[str]:
    for number, text in enumerate(file, start=1):
        if "\x00" in text:
            raise TableError("the file is not text", [FileProblem(number, "", "holds a NUL byte")])
        yield text


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
            problems.append(FileProblem(line, name, f"duplicate name, in column {seen[name]} and {position}"))
        seen.setdefault(name, position)
    if problems:
        raise TableError("the header is invalid", problems[:MAX_PROBLEMS])
