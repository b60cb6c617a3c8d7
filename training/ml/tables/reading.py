"""Reading CSV strictly: what is wrong is named by line and column, and nothing is guessed silently."""

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from training.ml.tables.contract import LARGEST

DELIMITERS = (",", ";", "\t", "|")
MAX_COLUMNS = 10_000
MAX_PROBLEMS = 20
# one list for training tables and for files to score; the marks are those that pandas reads by default
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
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_NUMBER_WITH_COMMAS = re.compile(rf"[+-]?\d+,\d+|{_THOUSANDS.pattern}")
# from this share of numbers on, a text among them is taken for a slip and not for a category
_MOSTLY_NUMBERS = 0.9


@dataclass(frozen=True)
class Problem:
    """One fault of a file: the line as an editor counts it, the column's name where one is known."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        where = f'line {self.line}, column "{self.column}"' if self.column else f"line {self.line}"
        return f"{where}: {self.message}"


class TableError(ValueError):
    """The file is not a table; `problems` says where."""

    def __init__(self, message: str, problems: list[Problem] | None = None) -> None:
        self.problems = problems or []
        shown = "; ".join(map(str, self.problems[:3]))
        more = f" (and {len(self.problems) - 3} more)" if len(self.problems) > 3 else ""  # noqa: PLR2004
        super().__init__(f"{message}: {shown}{more}" if shown else message)


def read_table(path: Path, *, texts: Collection[str] = (), numbers: Collection[str] = ()) -> pd.DataFrame:
    """Read a CSV file with a header into a frame, shape (rows, columns).

    Args:
        texts: columns whose cells are kept as they are written, such as codes with leading zeros.
        numbers: columns in which everything must be a number. Names that the file does not have change nothing.

    Raises:
        TableError: not text, not UTF-8, no rows, ragged rows, blank or duplicate names, unusable numbers.
    """
    delimiter = ","
    columns: list[str] = []
    count = 0
    for _, cells in rows(path):
        if not columns:
            columns, delimiter = cells, delimiter_of(path)
        else:
            count += 1
    if count == 0:
        raise TableError("the file has a header and no rows; add at least one row of data")
    frame = pd.read_csv(
        path,
        sep=delimiter,
        encoding="utf-8-sig",
        na_values=sorted(MISSING),
        keep_default_na=False,
        float_precision="round_trip",
        low_memory=False,
        header=0,
        names=columns,
        dtype={name: str for name in columns if name in texts},
    )
    frame = _numbers_to_numbers(_blank_cells_to_missing(frame, texts), numbers)
    problems = list(_bad_numbers(frame, path, texts=texts, numbers=numbers))
    if problems:
        raise TableError("some values cannot be read", problems[:MAX_PROBLEMS])
    return frame


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of a CSV file, the checked header first; never holds more than a row.

    Raises:
        TableError: at the first fault of form.
    """
    delimiter = delimiter_of(path)
    header: list[str] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_no_nul(file), delimiter=delimiter, strict=True)
        line = 1
        try:
            for cells in reader:
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
    """What to raise for a row that the CSV reader gave up on."""
    message = "a quote is opened and never closed" if "unexpected end" in str(error) else str(error)
    return TableError("the file is not well-formed CSV", [Problem(line, "", message)])


def ragged(line: int, found: int, expected: int) -> Problem:
    """The fault of a row that is longer or shorter than the header."""
    what = "the delimiter" if found > expected else "a line end"
    return Problem(
        line,
        "",
        f"{found:,} cells where the header has {expected:,}; a value that holds {what} belongs in quotes",
    )


def delimiter_of(path: Path) -> str:
    """The character that most often stands in the header line, of those allowed.

    Raises:
        TableError: the file is empty, or begins as no text does.
    """
    with path.open("rb") as file:
        start = file.read(65_536)
    if not start.strip():
        raise TableError("the file is empty; expected a header line and rows of data")
    for magic, name in _MAGIC.items():
        if start.startswith(magic):
            raise TableError(f"this is {name}, not CSV text; save the table as CSV (UTF-8) and try again")
    text = codecs.getincrementaldecoder("utf-8-sig")("replace").decode(start).lstrip("\r\n")
    # the header without its quoted names, which may hold delimiters and line ends
    header = re.split(r"[\r\n]", re.sub(r'"(?:[^"]|"")*"', "", text), maxsplit=1)[0]
    return max(DELIMITERS, key=header.count)


def _no_nul(file: io.TextIOWrapper) -> Iterator[str]:
    for number, text in enumerate(file, start=1):
        if "\x00" in text:
            raise TableError("the file is not text", [Problem(number, "", "holds a NUL byte")])
        yield text


def not_utf8(path: Path) -> str:
    """Say which byte of a file is not UTF-8, and on which line."""
    with path.open("rb") as file:
        for number, text in enumerate(file, start=1):
            try:
                text.decode()
            except UnicodeDecodeError as error:
                found = f"byte 0x{text[error.start]:02x} on line {number}"
                return f"the file is not UTF-8 ({found}); save it as CSV (UTF-8) and try again"
    return "the file is not UTF-8; save it as CSV (UTF-8) and try again"


def check_header(header: list[str], line: int) -> None:
    """Refuse a header that does not name every column once.

    Raises:
        TableError: blank or duplicate names, or too many.
    """
    if len(header) > MAX_COLUMNS:
        raise TableError(f"the table has {len(header):,} columns; at most {MAX_COLUMNS:,} are taken")
    problems = []
    seen: dict[str, int] = {}
    for position, name in enumerate(header, start=1):
        if not name.strip():
            problems.append(Problem(line, "", f"column {position} has no name; give every column a name"))
        elif name in seen:
            problems.append(
                Problem(line, name, f"the name stands twice, as column {seen[name]} and {position}")
            )
        seen.setdefault(name, position)
    if problems:
        raise TableError("the header is not usable", problems[:MAX_PROBLEMS])


def _blank_cells_to_missing(frame: pd.DataFrame, texts: Collection[str]) -> pd.DataFrame:
    """Read cells of spaces alone as missing, and a column of numbers beside them as numbers."""
    for name in frame.select_dtypes(object):
        column = frame[name]
        blanks = [value for value in column.unique() if isinstance(value, str) and not value.strip()]
        if blanks:
            kept = column.mask(column.isin(blanks))
            numbers = kept if name in texts else pd.to_numeric(kept, errors="coerce")
            frame[name] = numbers if numbers.notna().equals(kept.notna()) else kept
    return frame


def _numbers_to_numbers(frame: pd.DataFrame, numbers: Collection[str]) -> pd.DataFrame:
    """Convert columns that must be numbers where pandas kept texts, as it does for integers beyond 64 bits."""
    for name in frame.columns.intersection(list(numbers)):
        if frame[name].dtype == object:
            converted = pd.to_numeric(frame[name].astype(str), errors="coerce")
            if converted.notna().equals(frame[name].notna()):
                frame[name] = converted
    return frame


def _bad_numbers(
    frame: pd.DataFrame, path: Path, *, texts: Collection[str], numbers: Collection[str]
) -> Iterator[Problem]:
    suspects: dict[str, list[int]] = {}
    for name in frame.columns.difference(list(texts), sort=False):
        bad = _faults(frame[name], must_be_numbers=name in numbers)
        if bad is not None and bad.any():
            suspects[str(name)] = [int(position) for position in bad.to_numpy().nonzero()[0][:MAX_PROBLEMS]]
    if not suspects:
        return
    wanted = {position for positions in suspects.values() for position in positions}
    reader = rows(path)
    header = next(reader)[1]
    lines = {position: row for position, row in enumerate(reader) if position in wanted}
    for name, positions in suspects.items():
        for position in positions:
            line, cells = lines[position]
            yield Problem(line, name, _why(cells[header.index(name)]))


def _faults(column: pd.Series, *, must_be_numbers: bool) -> pd.Series | None:
    """Mark the values that are no usable numbers where numbers are expected; None where nothing is."""
    if _is_numeric(column):
        return column.astype(float).abs() > LARGEST
    if must_be_numbers:
        return pd.to_numeric(column.astype(str), errors="coerce").isna() & column.notna()
    return _slips(column) if column.dtype == object else None


def _slips(column: pd.Series) -> pd.Series:
    """Mark the few texts in a column of numbers, and numbers written with a decimal comma."""
    # judged once for each different value: most columns of texts have few
    counts = column.value_counts()
    if counts.empty:
        return column.isna() & False
    texts = pd.Series(counts.index.astype(str), index=counts.index)
    numeric = pd.to_numeric(texts, errors="coerce").notna()
    comma = texts.str.fullmatch(_NUMBER_WITH_COMMAS)
    share = counts[numeric | comma].sum() / counts.sum()
    is_numeric = share >= _MOSTLY_NUMBERS and (numeric.any() or comma.all())
    return column.isin(counts.index[~numeric] if is_numeric else [])


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _why(cell: str) -> str:
    shown = f'"{cell[:60]}"'
    if _NUMBER_WITH_COMMAS.fullmatch(cell):
        return _why_comma(cell, shown)
    if cell.strip().lower().lstrip("+-") in {"inf", "infinity"}:
        return f"{shown} is not a finite number; leave the cell empty if the value is missing"
    if _is_number(cell):
        return f"{shown} is too large to compute with; expected a number from -{LARGEST:g} to {LARGEST:g}"
    return (
        f"expected a number like the other values, got {shown}; leave the cell empty if the value is missing, "
        "or take the column as a category if it holds codes"
    )


def _why_comma(cell: str, shown: str) -> str:
    """A comma is decimal in one country and separates thousands in another; only some numbers tell which."""
    decimal, whole = cell.replace(",", ".")[:60], cell.replace(",", "")[:60]
    if not _THOUSANDS.fullmatch(cell):
        return f"{shown} has a decimal comma; write {decimal}"
    if cell.count(",") > 1 or "." in cell:
        return f"{shown} has commas between thousands; write {whole}"
    return f"{shown} has a comma; write {whole} if it separates thousands, {decimal} if it is a decimal comma"
