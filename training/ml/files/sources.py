"""Files as people have them: text in any encoding and with any delimiter, workbooks and Parquet, made CSV for the reader.

Everything that was recognised or left out on the way is a note. Lines keep their numbers, so that errors name the line
of the user's file.
"""

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.ml.files import encodings
from training.ml.files.options import AUTOMATIC, Options
from training.ml.files.reading import (
    DELIMITERS,
    MAX_COLUMNS,
    SAMPLE,
    SAMPLE_ROWS,
    FileProblem,
    TableError,
    best_delimiter,
    cell_reader,
    malformed,
    undecodable,
)
from training.ml.tables.digits import EXACT

# rows that must agree before a line above them is a title
LEAST_ROWS = 3
MOST_ROWS = 0.8  # share
CSV = "csv"
# bytes after unpacking, if the caller sets no limit
UNPACKED = 4 * 1024**3
_TITLES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", " ": "blanks"}
_SEPARATOR_LINE = re.compile(r"""\ufeff?"?sep=(.)"?\s*""", re.IGNORECASE)
_FOREIGN = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"SQLite format 3": "an SQLite database",
}


@dataclass(frozen=True)
class Note:
    """What was recognised in a file, or left out of it; `column` is empty if it is about the whole file."""

    code: str
    column: str
    message: str


@dataclass(frozen=True)
class Source:
    """A file that the reader understands, and how it was made from the user's.

    Attributes:
        path: CSV text in UTF-8 with one of the usual delimiters; the user's own file if it already was that.
        delimiter: of that file.
        form: the form of the user's file: csv, workbook or parquet.
        facts: what was recognised, by name: encoding, delimiter, sheet.
        notes: what is worth telling.
    """

    path: Path
    delimiter: str
    form: str
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def is_typed(self) -> bool:
        """Whether the file itself tells numbers from texts, so that a plain number is what it looks like."""
        return self.form != CSV


def open_source(
    path: Path,
    folder: Path,
    options: Options = AUTOMATIC,
    *,
    limit: int = UNPACKED,
    known: Collection[str] = (),
) -> Source:
    """Return a file as CSV that the reader understands.

    Args:
        path: of the user's file; its name does not matter.
        folder: an empty folder for the files that are made on the way.
        limit: bytes that it may have after unpacking.
        known: names of columns that are expected, which are kept as written.

    Raises:
        TableError: the file is empty, is no table, or cannot be read as the options say.
    """
    with path.open("rb") as file:
        start = file.read(16)
    notes: list[Note] = []
    if start.startswith(b"\x1f\x8b"):
        path = _unpack(path, folder / "unpacked", limit)
        notes.append(Note("gzip", "", "unpacked with gzip"))
        with path.open("rb") as file:
            start = file.read(16)
    for magic, name in _FOREIGN.items():
        if start.startswith(magic):
            raise TableError(
                f"this is {name}; expected a table: CSV, a workbook (.xlsx, .xls, .ods) or Parquet"
            )
    if start.startswith(b"PAR1"):
        return _from_parquet(path, folder / "table.csv", limit, notes, known)
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return _from_workbook(path, folder / "table.csv", options, limit, notes, known)
    if options.sheet:
        raise TableError("a sheet was named, but the file is not a workbook")
    return _from_text(path, folder / "table.csv", options, notes, known)


def _unpack(path: Path, target: Path, limit: int) -> Path:
    size = 0
    try:
        with gzip.open(path) as packed, target.open("wb") as file:
            while chunk := packed.read(1024**2):
                size += len(chunk)
                if size > limit:
                    raise TableError(f"unpacked, the file is larger than the limit of {limit:,} bytes")
                file.write(chunk)
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise
        raise TableError("the gzip archive is damaged or was cut off; upload it again") from error
    return target


# ---- workbooks and Parquet


def _from_parquet(path: Path, target: Path, limit: int, notes: list[Note], known: Collection[str]) -> Source:
    import duckdb  # imported here, because only Parquet needs it

    settings: dict[str, str | int | float | list[str]] = {
        "threads": 2,
        "memory_limit": "300MB",
        "temp_directory": str(target.parent / "spill"),
        "autoload_known_extensions": False,
    }
    try:
        with duckdb.connect(config=settings) as database:
            table = database.read_parquet(str(path))
            nested = [
                name
                for name, kind in zip(table.columns, table.types, strict=True)
                if kind.id in {"list", "struct", "map", "array", "union"}
            ]
            if nested:
                raise TableError(
                    f'the column "{nested[0]}" holds lists or objects; expected one value a cell'
                )
            if not table.limit(1).fetchall():
                raise TableError("the file has columns and no rows; add at least one row of data")
            table.to_csv(str(target), header=True, sep=",", na_rep="", timestamp_format="%Y-%m-%dT%H:%M:%S")
    except duckdb.Error as error:
        raise TableError("the Parquet file cannot be read; it may be damaged or was cut off") from error
    if target.stat().st_size > limit:
        raise TableError(f"as text, the file is larger than the limit of {limit:,} bytes")
    return _tidied(target, target.with_name("tidy.csv"), "parquet", {}, notes, known)


def _from_workbook(
    path: Path, target: Path, options: Options, limit: int, notes: list[Note], known: Collection[str]
) -> Source:
    import python_calamine as calamine  # imported here, because only workbooks need it

    _check_archive(path, limit)
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        name, rows = _choose_sheet(book, options.sheet)
    except calamine.PasswordError as error:
        raise TableError("the workbook has a password; save it without one and try again") from error
    except (calamine.CalamineError, calamine.ZipError, calamine.XmlError, OSError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError("the workbook cannot be read; it may be damaged, or no workbook at all") from error
    others = [other for other in book.sheet_names if other != name]
    if others:
        listed = ", ".join(f'"{other}"' for other in others[:5])
        notes.append(Note("sheet", "", f'read from the sheet "{name}"; the workbook also has {listed}'))
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for cells in rows:
            writer.writerow([_text(cell) for cell in cells])
    return _tidied(target, target.with_name("tidy.csv"), "workbook", {"sheet": name}, notes, known)


def _check_archive(path: Path, limit: int) -> None:
    """Raise TableError if an archive is not a workbook, or unpacks to more than the limit."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = {member.filename for member in members}
    if not names & {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}:
        raise TableError("this is a zip archive; unpack it, and upload the table in it")
    if sum(member.file_size for member in members) > limit:
        raise TableError(f"unpacked, the workbook is larger than the limit of {limit:,} bytes")


def _choose_sheet(book: Any, wanted: str) -> tuple[str, list[list[Any]]]:
    """Return the wanted sheet, or the first one that has rows."""
    names = list(book.sheet_names)
    if wanted:
        name = wanted if wanted in names else ""
        if not name and wanted.isascii() and wanted.isdecimal() and 0 < int(wanted) <= len(names):
            name = names[int(wanted) - 1]
        if not name:
            listed = ", ".join(f'"{other}"' for other in names[:10])
            raise TableError(f'there is no sheet "{wanted[:60]}"; the workbook has {listed}')
        names = [name]
    for name in names:
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        if any(cell != "" for row in rows for cell in row):
            return name, rows
    raise TableError("the workbook has no sheet with values; expected a header and rows of data")


def _text(cell: Any) -> str:
    """Return a cell of a workbook as it would stand in a CSV."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) <= EXACT else repr(cell)
    if hasattr(cell, "isoformat"):
        return str(cell.isoformat()).removesuffix("T00:00:00")
    return str(cell)


# ---- text


def _from_text(
    path: Path, target: Path, options: Options, notes: list[Note], known: Collection[str]
) -> Source:
    with path.open("rb") as file:
        start = file.read(SAMPLE)
    if not start.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise TableError("the file is empty; expected a header line and rows of data")
    encoding = options.encoding or encodings.recognise(start)
    facts = {"encoding": encodings.title(encoding).removesuffix("-SIG")}
    is_utf8 = encoding.lower().replace("_", "-") in {"utf-8", "utf-8-sig", "utf8"}
    if not is_utf8:
        how = (
            "as chosen"
            if options.encoding
            else "as recognised. If letters look wrong, save the file as UTF-8"
        )
        notes.append(Note("encoding", "", f"the encoding is {facts['encoding']}, {how}"))
    return _tidied(
        path,
        target,
        CSV,
        facts,
        notes,
        known,
        encoding="utf-8-sig" if is_utf8 else encoding,
        options=options,
    )


def _tidied(
    path: Path,
    target: Path,
    form: str,
    facts: dict[str, str],
    notes: list[Note],
    known: Collection[str],
    *,
    encoding: str = "utf-8-sig",
    options: Options = AUTOMATIC,
) -> Source:
    """Return the source, with the file written again if it has more than a header and rows of cells."""
    shape = _Shape(_sample(path, encoding), options.delimiter or ("" if form == CSV else ","), known)
    notes += shape.notes
    if form == CSV:
        facts["delimiter"] = _TITLES[shape.delimiter]
    if shape.is_plain and encoding == "utf-8-sig":
        return Source(path, shape.delimiter, form, facts, tuple(notes))
    # the delimiter is kept, because it tells what a comma between digits means
    delimiter = shape.delimiter if shape.delimiter in DELIMITERS else ","
    _write(path, target, encoding, shape, delimiter)
    return Source(target, delimiter, form, facts, tuple(notes))


def _sample(path: Path, encoding: str) -> str:
    """Return the text of the whole lines at the start of a file; broken bytes are replaced."""
    with path.open("rb") as file:
        start = file.read(SAMPLE)
        is_whole = not file.read(1)
    text = start.decode(encoding, "replace")
    if is_whole:
        return text
    end = max(text.rfind("\n"), text.rfind("\r"))
    return text[: end + 1] if end >= 0 else text


class _Shape:
    """What stands above, beside and between the cells of a text file, recognised in its first rows."""

    def __init__(self, sample: str, delimiter: str, known: Collection[str]) -> None:
        self._known = known
        self.notes: list[Note] = []
        self.skipped = 0  # lines above the header
        self.comments = False
        self._lines = list(io.StringIO(sample, newline=""))
        self.delimiter = self._skip_separator_line() or delimiter
        self._skip_comments()
        rest = "".join(self._lines[self.skipped :])
        self.delimiter = self.delimiter or best_delimiter(rest)
        self._rows = self._read(rest)
        self._skip_titles()
        header = self._rows[0] if self._rows else []
        body = self._rows[1:]
        self.dropped = self._count_trailing(header, body)
        self.names_first = not self.dropped and _has_row_names(header, body)
        self.header = self._name(header)
        self.padded = self._is_padded(body)
        self.is_plain = (
            self.delimiter in DELIMITERS
            and not self.skipped
            and not self.comments
            and not self.dropped
            and not self.padded
            and self.header == header
        )

    def _skip_separator_line(self) -> str:
        match = _SEPARATOR_LINE.fullmatch(self._lines[0]) if self._lines else None
        if not match or match[1] not in DELIMITERS:
            return ""
        self.skipped = 1
        self.notes.append(
            Note("separator_line", "", f"line 1 (sep={match[1]}) names the delimiter and was left out")
        )
        return match[1]

    def _skip_comments(self) -> None:
        first = self.skipped
        while self.skipped < len(self._lines) and self._is_comment(self.skipped):
            self.skipped += 1
        self.comments = self.skipped > first
        if self.comments:
            count = self.skipped - first
            lines = "1 line that begins" if count == 1 else f"{count} lines that begin"
            self.notes.append(
                Note("comments", "", f"{lines} with # above the header left out, and any further ones")
            )

    def _is_comment(self, place: int) -> bool:
        line = self._lines[place].lstrip("\ufeff")
        if not line.startswith("#"):
            return False
        following = next((text for text in self._lines[place + 1 :] if not text.startswith("#")), "")
        # "#id,name" is a header if the next line has as many cells
        return not any(line.count(mark) == following.count(mark) > 0 for mark in DELIMITERS)

    def _read(self, text: str) -> list[list[str]]:
        rows: list[list[str]] = []
        with suppress(csv.Error):
            for cells in cell_reader(io.StringIO(text, newline=""), self.delimiter):
                if any(cell.strip() for cell in cells) or (cells and len(rows) > 1):
                    rows.append(cells)
                if len(rows) > SAMPLE_ROWS:
                    break
        return rows

    def _skip_titles(self) -> None:
        """Skip lines above the header that have one cell, while all lines below have several."""
        widths = [len([cell for cell in row if cell.strip()]) for row in self._rows]
        count = next((place for place, width in enumerate(widths) if width > 1), 0)
        below = [len(row) for row in self._rows[count:]]
        if not count or len(below) <= LEAST_ROWS or below.count(below[0]) < len(below) * MOST_ROWS:
            return
        titles = self._rows[:count]
        self._rows = self._rows[count:]
        wanted = count
        while wanted:  # to the line of the header, past the titles and empty lines
            wanted -= bool(self._lines[self.skipped].strip(" \t\r\n" + self.delimiter))
            self.skipped += 1
        while not self._lines[self.skipped].strip(" \t\r\n" + self.delimiter):
            self.skipped += 1
        shown = "; ".join(next(cell for cell in row if cell.strip())[:60] for row in titles[:3])
        self.notes.append(Note("title", "", f"above the header left out: {shown}"))

    def _count_trailing(self, header: list[str], body: list[list[str]]) -> int:
        """Return the number of empty cells at the end of each row that have no name in the header."""
        rows = [row for row in body if row]
        if not rows or len(header) < 2:  # noqa: PLR2004
            return 0
        width = max(map(len, rows))
        named = max((place for place, name in enumerate(header, start=1) if name.strip()), default=0)
        if any(len(row) not in {named, width} for row in rows) or width > max(len(header), named + 1):
            return 0
        if width <= named or any(cell.strip() for row in rows for cell in row[named:]):
            return 0
        count = width - named
        what = "the delimiter" if count == 1 else f"{count} delimiters"
        self.notes.append(Note("trailing_delimiter", "", f"{what} at the end of each line left out"))
        return count

    def _name(self, header: list[str]) -> list[str]:
        """Return the header without blanks around names, and with a name for each column."""
        if self.dropped:
            while not header[-1].strip():
                header = header[:-1]
        if self.names_first:
            self.notes.append(
                Note(
                    "row_names",
                    "",
                    "the header is one cell short, so the first column holds names of the rows",
                )
            )
            header = ["", *header]
        names = [name if name in self._known else name.strip() for name in header]
        stripped = sum(name != written for name, written in zip(names, header, strict=True))
        if stripped:
            names_of = "1 column" if stripped == 1 else f"{stripped} columns"
            self.notes.append(
                Note("header_blanks", "", f"blanks around the names of {names_of} were removed")
            )
        for place, name in enumerate(names):
            if name or len(names) == 1:
                continue
            names[place] = _free_name(f"column {place + 1}", names)
            if not (self.names_first and place == 0):
                self.notes.append(
                    Note(
                        "unnamed",
                        names[place],
                        f"column {place + 1} has no name; it is called {names[place]}",
                    )
                )
        return names

    def _is_padded(self, body: list[list[str]]) -> bool:
        """Return whether a blank stands before or after each cell but the first, as in `1, 2, 3`."""
        cells = [cell for row in body for cell in row[1:] if cell]
        if self.delimiter == " " or not cells or not all(cell[0] == " " for cell in cells):
            return False
        self.notes.append(Note("blanks", "", "the blank after each delimiter was removed"))
        return True

    def is_comment(self, cells: list[str]) -> bool:
        """Return whether a row below the header is a comment, where the lines above it have such ones."""
        return self.comments and cells[0].startswith("#") and len(cells) != len(self.header)

    def tidy(self, cells: list[str], line: int) -> list[str]:
        """Return the cells of a row below the header."""
        width = len(self.header)
        if self.dropped and width < len(cells) <= width + self.dropped:
            if any(cell.strip() for cell in cells[width:]):
                extra = next(cell for cell in cells[width:] if cell.strip())
                raise TableError(
                    "the rows differ in length",
                    [
                        FileProblem(
                            line, "", f"a value ({extra[:60]}) stands after the last column of the header"
                        )
                    ],
                )
            cells = cells[:width]
        return [cell.lstrip(" ") for cell in cells] if self.padded else cells


def _free_name(name: str, names: Sequence[str]) -> str:
    while name in names:
        name += "_"
    return name


def _has_row_names(header: list[str], body: list[list[str]]) -> bool:
    """Return whether each row begins with its name: one more cell than the header has, numbered or different texts."""
    if len(body) < LEAST_ROWS or any(len(row) != len(header) + 1 for row in body):
        return False
    names = [row[0].strip() for row in body]
    if names == [str(number) for number in range(1, len(names) + 1)]:
        return True
    return len(set(names)) == len(names) and not any(name[:1].isdigit() or not name for name in names)


def _write(path: Path, target: Path, encoding: str, shape: _Shape, delimiter: str) -> None:
    """Write a file again as plain CSV; each row keeps the number of its line."""
    with (
        path.open(encoding=encoding, newline="") as file,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
        written, line, is_header = 0, 1, True
        try:
            lines = _Lines(file, shape)
            for cells in cell_reader(lines, shape.delimiter):
                begin, line = line, lines.count + 1
                if not cells or (is_header and not any(cell.strip() for cell in cells)):
                    continue
                if not is_header and shape.is_comment(cells):
                    continue
                begin = max(begin, shape.skipped + 1)
                if len(shape.header) > 1:
                    out.write("\n" * (begin - 1 - written))
                    written = begin - 1
                row = shape.header if is_header else shape.tidy(cells, begin)
                is_header = False
                if len(cells) > MAX_COLUMNS:
                    raise TableError(
                        f"the table has {len(cells):,} columns; at most {MAX_COLUMNS:,} are allowed"
                    )
                writer.writerow(row)
                written = lines.count
        except csv.Error as error:
            raise malformed(error, line) from error
        except UnicodeError as error:
            raise undecodable(path, encoding, lines.count + 1) from error


class _Lines(Iterator[str]):
    """The lines of a file for the reader: those above the header are empty; counts the lines."""

    def __init__(self, file: io.TextIOWrapper, shape: _Shape) -> None:
        self._file, self._shape = file, shape
        self.count = 0

    def __next__(self) -> str:
        text = next(self._file)
        self.count += 1
        if "\x00" in text:
            raise TableError("the file is not text", [FileProblem(self.count, "", "holds a NUL byte")])
        if self.count <= self._shape.skipped:
            return "\n"
        return text
