"""Writing CSV: all readers get the same cells, and no spreadsheet runs a cell as a formula."""

import csv
from collections.abc import Collection, Container, Iterable
from types import SimpleNamespace
from typing import Any

CONTENT_TYPE = "text/csv; charset=utf-8"
# as in RFC 4180; the writer quotes cells that contain a part of it
LINE_END = "\r\n"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
# some readers guess the delimiter from the header
OTHER_DELIMITERS = frozenset(";\t|")


def cell(value: Any) -> Any:
    """A value as a cell: empty if it is missing, and safe for spreadsheets.

    A text that begins like a formula gets a leading apostrophe; numbers do not change.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str) or not value.startswith(FORMULA_STARTS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def read_back(text: str, known: Container[str]) -> str:
    """A cell as it was before apostrophes were put in front, if that is one of the known texts and the cell is none."""
    plain = text.lstrip("'")
    is_marked = text not in known and plain in known and plain.startswith(FORMULA_STARTS)
    return plain if is_marked else text


def unmarked(text: str) -> str:
    """A cell as it was if `cell` put an apostrophe in front."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def read_header(names: Collection[str], known: Container[str]) -> list[str]:
    """The names of a file's columns, each as it was before `header` put apostrophes in front; see `read_back`."""
    plain = [read_back(name, known) for name in names]
    return [name if other in names else other for name, other in zip(names, plain, strict=True)]


def lines(rows: Iterable[Iterable[Any]]) -> list[str]:
    """Each row as CSV, without the line end."""
    return _lines(rows, csv.QUOTE_MINIMAL)


def header(names: Iterable[str]) -> str:
    """The names of columns as CSV, without the line end; quoted if one contains a possible delimiter."""
    listed = marked_names(list(names))
    is_odd = any(OTHER_DELIMITERS & set(name) for name in listed)
    return _lines([listed], csv.QUOTE_ALL if is_odd else csv.QUOTE_MINIMAL)[0]


def marked_names(names: Collection[str]) -> list[str]:
    """The names of columns as `cell` writes them, with more apostrophes where another column has that name."""
    taken = {name.casefold() for name in names}
    result = []
    for name in names:
        written = cell(name)
        while written != name and written.casefold() in taken:
            written = f"'{written}"
        taken.add(written.casefold())
        result.append(written)
    return result


def text(lines: Iterable[str]) -> str:
    """Lines with their ends."""
    return "".join([f"{line}{LINE_END}" for line in lines])


def beside(ours: Iterable[str], theirs: Collection[str]) -> list[str]:
    """The names of the site's columns in a file with columns of a caller.

    The site's columns are renamed: `label` becomes `clfsite_label` if there is a column `label` or `Label`,
    which databases treat as equal.
    """
    taken = {name.casefold() for name in theirs}
    return [_free(name, taken) for name in ours]


def _free(name: str, taken: Collection[str]) -> str:
    while name.casefold() in taken:
        name = f"clfsite_{name}"
    return name


def _lines(rows: Iterable[Iterable[Any]], quoting: Any) -> list[str]:
    written: list[str] = []
    # the writer returns one row at a time, regardless of line ends in cells; it quotes its own line ends
    target = SimpleNamespace(write=lambda line: written.append(line[: -len(LINE_END)]))
    csv.writer(target, lineterminator=LINE_END, quoting=quoting).writerows(map(cell, row) for row in rows)
    return written
