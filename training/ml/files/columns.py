"""The columns of a CSV file: all cells are read as text first, then each column in its notation.

Columns of plain numbers are converted block by block, all others are kept as their distinct texts with a code for each
row. So a table takes little more memory than its numbers.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.ml.files.blocks import Block, read_blocks, read_header
from training.ml.files.cells.cells import Cells
from training.ml.files.cells.numbers import is_plain_number, plain_numbers
from training.ml.files.dates import decide_date, iso, parse
from training.ml.files.notation import (
    ALWAYS_MISSING,
    AMONG_NUMBERS,
    OFTEN_MISSING,
    PLAIN,
    Evidence,
    MixedError,
    Notation,
    decide_number,
    is_code,
    is_too_long,
    units_of,
)
from training.ml.files.options import AUTOMATIC, Options
from training.ml.files.reading import MAX_PROBLEMS, FileProblem, TableError
from training.ml.files.sources import Note
from training.ml.tables.contract import LARGEST
from training.ml.tables.quoting import quote

_TRUTHS = {"true": True, "false": False}
_TOTALS = (
    "total",
    "totals",
    "grand total",
    "sum",
    "summe",
    "gesamt",
    "gesamtsumme",
    "somme",
    "suma",
    "totale",
    "totaal",
)
# characters of the longest code, such as DE or N/A
LONGEST_CODE = 3
# texts of a column that are tried as dates before all are
TRIED = 20


@dataclass(frozen=True)
class Column:
    """A column as read.

    Attributes:
        values: one for each row: int64, float64 (NaN if missing), bool, datetime64, or str (NaN if missing).
        notation: how it was written.
        is_text: whether its values are texts.
    """

    values: pd.Series
    notation: Notation = PLAIN
    is_text: bool = False


@dataclass
class Table:
    """A file as read: columns by name, what was recognised, and whether the file is what `write_canonical` would write."""

    columns: dict[str, Column]
    rows: int
    notes: list[Note] = field(default_factory=list)
    is_canonical: bool = True

    def frame(self) -> pd.DataFrame:
        """Return the columns as a frame, shape (rows, columns)."""
        return pd.DataFrame({name: column.values for name, column in self.columns.items()}, copy=False)

    def notations(self) -> dict[str, dict[str, Any]]:
        """Return the notations that are not plain, as JSON values by column."""
        return {name: data for name, column in self.columns.items() if (data := column.notation.to_dict())}


def read_columns(
    path: Path,
    delimiter: str,
    *,
    target: str = "",
    texts: Collection[str] = (),
    numbers: Collection[str] = (),
    options: Options = AUTOMATIC,
    is_stored: bool = False,
    is_typed: bool = False,
) -> Table:
    """Read all columns of a CSV file in UTF-8, each in the notation that is recognised.

    Args:
        target: the column of labels, which are read as written.
        texts: columns that are read as written; only empty cells are missing.
        numbers: columns in which all values must be numbers. Names that are not in the file are ignored.
        is_stored: whether the file was written by `write_canonical`, in which numbers are plain and only empty cells are
            missing.
        is_typed: whether the file was made of one that tells numbers from texts, see `Source.is_typed`.

    Raises:
        TableError: the file has no rows, is not CSV, or has values that cannot be read.
    """
    header = read_header(path, delimiter)
    _check_names(options, header)
    kept = {*texts, target}
    raw = _Raw(path, delimiter, header, "" if is_stored else target, fixed=kept | set(options.dates))
    decider = _Decider(raw, delimiter, options, frozenset(numbers), is_stored=is_stored, is_typed=is_typed)
    columns = decider.columns(target, kept)
    decider.raise_problems()
    return Table(columns, raw.rows, [*raw.notes, *decider.notes], raw.is_plain and not decider.changed)


def _check_names(options: Options, header: Sequence[str]) -> None:
    unknown = sorted(set(options.dates) - set(header))
    if unknown:
        raise TableError(
            f"there is no column {quote(unknown[0])} to read as a date; the table has {', '.join(header[:20])}"
        )


class _Raw:
    """The cells of a file: arrays of the columns with plain numbers, distinct texts and codes of all others."""

    def __init__(
        self, path: Path, delimiter: str, header: list[str], target: str, fixed: Collection[str]
    ) -> None:
        self.path, self.delimiter, self.header = path, delimiter, header
        self.rows = 0
        self.is_plain = True
        self.notes: list[Note] = []
        self._expected = 0
        self.arrays = {name: _Growing(np.int64) for name in header if name not in fixed}
        self.gaps: dict[str, Counter[str]] = {}
        self.texts: dict[str, _Texts] = {name: _Texts() for name in header if name in fixed}
        self._has_total = False
        self._target = target
        late: set[str] = set()
        for block in self._blocks():
            self._expected = self._expected or _expected_rows(path, block)
            for name, cells in zip(header, block.columns, strict=True):
                late |= self._add(name, cells)
        if not self.rows:
            raise TableError("the file has a header and no rows; add at least one row of data")
        self.read_as_texts(late)

    def _add(self, name: str, cells: Sequence[str]) -> set[str]:
        """Add the cells of a block; return the column's name if its earlier cells must be read again as texts."""
        if name in self.texts:
            self.texts[name].add(cells, self._expected)
            return set()
        plain = plain_numbers(cells, compare=self.is_plain)
        if plain is None:
            begun = len(self.arrays.pop(name)) > 0
            self.gaps.pop(name, None)
            self.texts[name] = _Texts()
            if not begun:
                self.texts[name].add(cells, self._expected)
                return set()
            return {name}
        array, gaps, is_shortest = plain
        self.arrays[name].add(array, self._expected)
        self.is_plain &= is_shortest and set(gaps) <= {""}
        if gaps:
            self.gaps.setdefault(name, Counter()).update(gaps)
        return set()

    def read_as_texts(self, names: Collection[str]) -> None:
        """Read columns of plain numbers again, as texts."""
        if not names:
            return
        for name in names:
            self.arrays.pop(name, None)
            self.texts[name] = _Texts()
        places = {self.header.index(name): name for name in names}
        for block in self._blocks(again=True):
            for place, name in places.items():
                self.texts[name].add(block.columns[place], self._expected)

    def _blocks(self, *, again: bool = False) -> Iterator[Block]:
        """Yield the blocks, without a last row of totals."""
        held: Block | None = None
        for block in read_blocks(self.path, self.delimiter):
            if block.problems:
                raise TableError("the rows differ in length", list(block.problems.values())[:MAX_PROBLEMS])
            if held:
                yield held
            if not again:
                self.rows += len(block.lines)
                self.is_plain &= not block.empty
            held = block
        if held is None:
            return
        if not again:
            self._has_total = self._ends_with_total(held)
        if self._has_total:
            if not again:
                self._leave_out_total(held)
            held = replace(held, columns=[column[:-1] for column in held.columns], lines=held.lines[:-1])
        if held.lines:
            yield held

    def _ends_with_total(self, block: Block) -> bool:
        if self._target not in self.header or self.rows < 2:  # noqa: PLR2004
            return False
        last = [column[-1].strip() for column in block.columns]
        first = next((cell for cell in last if cell), "").casefold().rstrip(":")
        return not last[self.header.index(self._target)] and first in _TOTALS

    def _leave_out_total(self, block: Block) -> None:
        self.rows -= 1
        self.is_plain = False
        shown = next(column[-1] for column in block.columns if column[-1].strip())
        self.notes.append(
            Note(
                "totals",
                "",
                f"the last line ({block.lines[-1]:,}) holds totals ({quote(shown)}) and was left out",
            )
        )


def _expected_rows(path: Path, first: Block) -> int:
    """Return about how many rows a file has, rather too many."""
    return int(path.stat().st_size / first.offset * len(first.lines) * 1.1) + len(first.lines)


class _Growing:
    """An array to which further ones are added; memory that is not used yet is only reserved."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._values = np.empty(0, dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, array: NDArray[Any], expected: int) -> None:
        """Add an array, to a size of about `expected` in the end."""
        size = self._size + len(array)
        dtype = np.result_type(self._values, array)
        if size > len(self._values) or dtype != self._values.dtype:
            grown = np.empty(max(expected, size + size // 2 if self._size else size), dtype)
            grown[: self._size] = self.values
            self._values = grown
        self._values[self._size : size] = array
        self._size = size

    @property
    def values(self) -> NDArray[Any]:
        return self._values[: self._size]


class _Texts:
    """A column of texts: the distinct ones, and their codes."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._codes = _Growing(np.int32)

    def add(self, cells: Sequence[str], expected: int) -> None:
        known = self._known
        coded = cells.codes() if isinstance(cells, Cells) else None
        distinct = dict.fromkeys(cells) if coded is None else coded[1]
        for cell in distinct:
            known.setdefault(cell, len(known))
        if coded is None:
            codes = np.fromiter(map(known.__getitem__, cells), np.int32, len(cells))
        else:
            places = np.fromiter(map(known.__getitem__, distinct), np.int32, len(distinct))
            codes = places[coded[0]]
        self._codes.add(codes, expected)

    def codes(self) -> NDArray[np.int32]:
        return self._codes.values

    def counts(self) -> dict[str, int]:
        counts = np.bincount(self.codes(), minlength=len(self._known)).tolist()
        return dict(zip(self._known, counts, strict=True))


class _Decider:
    """Decides the notation of each column, and reads it."""

    def __init__(
        self,
        raw: _Raw,
        delimiter: str,
        options: Options,
        numbers: Collection[str],
        *,
        is_stored: bool,
        is_typed: bool,
    ) -> None:
        self._raw, self._delimiter, self._options, self._numbers = raw, delimiter, options, numbers
        self._is_stored, self._is_typed = is_stored, is_typed
        self._evidence = Evidence()
        self._problems: dict[str, dict[str, str]] = {}
        self.notes: list[Note] = []
        self.changed = delimiter != ","

    def columns(self, target: str, kept: Collection[str]) -> dict[str, Column]:
        self._read_marked_numbers()
        counts = {name: texts.counts() for name, texts in self._raw.texts.items()}
        notations = {name: self._number(name, cells) for name, cells in counts.items() if name not in kept}
        self._settle_decimals(notations, counts)
        self._note_marks(notations)
        columns = {}
        for name in self._raw.header:
            if name in self._raw.arrays:
                columns[name] = self._plain(name)
            elif notation := notations.get(name):
                columns[name] = self._read_numbers(name, notation, counts[name])
            else:
                columns[name] = self._read_texts(
                    name, counts[name], is_target=name == target, is_kept=name in kept
                )
        return columns

    # ---- numbers

    def _read_marked_numbers(self) -> None:
        """Read columns of plain numbers as texts if a chosen mark for missing values is one of them, or one is too large."""
        marks = [float(mark) for mark in self._options.missing if is_plain_number(mark)]
        late = {
            name
            for name, array in self._raw.arrays.items()
            if (marks and np.isin(array.values, marks).any()) or _is_beyond(array.values, LARGEST)
        }
        self._raw.read_as_texts(late)

    def _number(self, name: str, counts: Mapping[str, int]) -> Notation | None:
        if name in self._options.dates or (self._is_stored and name not in self._numbers):
            return None
        try:
            return decide_number(
                counts,
                delimiter=self._delimiter,
                evidence=self._evidence,
                marks=self._options.missing,
                decimal=self._options.decimal,
                must=name in self._numbers,
            )
        except MixedError as error:
            self._problems[name] = dict.fromkeys(error.cells, f"{error}; choose the decimal mark (--decimal)")
            return PLAIN

    def _settle_decimals(
        self, notations: dict[str, Notation | None], counts: dict[str, dict[str, int]]
    ) -> None:
        """Read columns again whose values can be read in two ways, if others of the file say which one is right."""
        decimals = {notation.decimal for notation in notations.values() if notation and notation.is_certain}
        decimal = self._options.decimal or (decimals.pop() if len(decimals) == 1 else "")
        if decimal not in {".", ","}:
            return
        self._evidence.decimal = decimal
        late = set()
        if decimal == "," and not self._is_typed:
            late = {name for name, array in self._raw.arrays.items() if array.values.dtype != np.int64}
            self._raw.read_as_texts(late)
            counts.update({name: self._raw.texts[name].counts() for name in late})
        for name in {
            *late,
            *(name for name, notation in notations.items() if notation and not notation.is_certain),
        }:
            if name not in self._problems:
                notations[name] = self._number(name, counts[name])

    def _note_marks(self, notations: Mapping[str, Notation | None]) -> None:
        """Collect the texts with which the file marks missing numbers."""
        for counter in self._raw.gaps.values():
            self._evidence.marks |= {cell.strip() for cell in counter}
        for notation in notations.values():
            self._evidence.marks |= set(notation.missing if notation else ())

    def _plain(self, name: str) -> Column:
        array = self._raw.arrays.pop(name)
        missing = tuple(sorted({cell.strip() for cell in self._raw.gaps.get(name, ())} - {""}))
        values = pd.Series(array.values, copy=False)
        self._note_missing(name, missing)
        return Column(values, Notation(missing=missing))

    def _read_numbers(self, name: str, notation: Notation, counts: Mapping[str, int]) -> Column:
        read = {cell: None if notation.is_missing(cell) else notation.number(cell) for cell in counts}
        bad = [cell for cell, text in read.items() if text is None and not notation.is_missing(cell)]
        large = [cell for cell, text in read.items() if text is not None and abs(float(text)) > LARGEST]
        if (bad or large) and name not in self._problems:
            self._problems[name] = {cell: _why(cell) for cell in [*bad, *large]}
        texts = [read[cell] for cell in counts]
        distinct = np.array([np.nan if text is None else float(text) for text in texts])
        codes = self._raw.texts[name].codes()
        is_whole = all(text and text.lstrip("-").isdecimal() and not is_too_long(text) for text in texts)
        values = distinct[codes]
        self.changed = True
        if described := notation.describe():
            self.notes.append(Note("notation", name, f"read as {described}"))
        self._note_missing(name, notation.missing)
        return Column(pd.Series(values.astype(np.int64) if is_whole else values, copy=False), notation)

    # ---- truth values, dates and texts

    def _read_texts(self, name: str, counts: Mapping[str, int], *, is_target: bool, is_kept: bool) -> Column:
        codes = self._raw.texts[name].codes()
        cells = list(counts)
        is_declared = is_kept and not is_target
        missing = self._missing_texts(name, counts, is_declared=is_declared)
        present = [cell for cell in cells if cell.strip() and cell.strip() not in missing]
        if not is_kept and name in self._numbers and present:
            self._problems[name] = {cell: _why(cell) for cell in present}
        if not is_kept and present and {cell.strip().lower() for cell in present} <= set(_TRUTHS):
            self.changed |= any(cell not in {"true", "false", ""} for cell in cells)
            truths = np.array([_TRUTHS.get(cell.strip().lower(), np.nan) for cell in cells], dtype=object)
            values = pd.Series(truths[codes], copy=False)
            return Column(
                values.astype(bool) if len(present) == len(cells) else values, Notation(missing=missing)
            )
        if not is_kept and (dates := self._read_dates(name, present, cells, codes, missing)):
            return dates
        self.changed |= any(cell and (not cell.strip() or cell.strip() in missing) for cell in cells)
        self._note_missing(name, missing)
        if not is_kept:
            self._note_codes(name, present)
            self._note_units(name, counts)
        known = frozenset(present)
        distinct = np.array([cell if cell in known else np.nan for cell in cells], dtype=object)
        return Column(pd.Series(distinct[codes], dtype="str"), Notation(missing=missing), is_text=True)

    def _missing_texts(self, name: str, counts: Mapping[str, int], *, is_declared: bool) -> tuple[str, ...]:
        """Return the texts of a column that mean a missing value, besides empty cells; tell those that could."""
        texts = {cell.strip() for cell in counts} - {""}
        chosen = set(self._options.missing) & texts
        if is_declared or self._is_stored:
            return tuple(sorted(chosen))
        candidates = (texts & (ALWAYS_MISSING | OFTEN_MISSING)) - chosen - set(self._options.keep)
        others = texts - candidates - chosen
        are_codes = bool(others) and all(len(text) <= LONGEST_CODE and text.isupper() for text in others)
        missing = {
            text
            for text in candidates
            if text in ALWAYS_MISSING
            or (text in self._evidence.marks and not (are_codes and len(text) <= LONGEST_CODE))
        }
        if not others:
            missing = candidates
        values = sorted(candidates - missing)
        if values:
            rows = sum(count for cell, count in counts.items() if cell.strip() in values)
            self.notes.append(
                Note(
                    "kept_text",
                    name,
                    f"{_listed(values)} is kept as a value ({rows:,} {'row' if rows == 1 else 'rows'}); if it means a "
                    f"missing value, add it to the texts for a missing value (--missing {values[0]})",
                )
            )
        return tuple(sorted(chosen | missing))

    def _read_dates(
        self,
        name: str,
        present: list[str],
        cells: list[str],
        codes: NDArray[np.int32],
        missing: tuple[str, ...],
    ) -> Column | None:
        chosen = self._options.dates.get(name)
        marks = {cell.strip() for cell in present if _is_mark(cell)}
        present = [cell for cell in present if not _is_mark(cell)]
        if chosen:
            formats: tuple[str, ...] = (chosen,)
            unread = parse(present, chosen).isna()
            bad = [cell for cell, is_bad in zip(present, unread, strict=True) if is_bad]
            if bad:
                self._problems[name] = dict.fromkeys(
                    bad, f"expected a date, {Notation(date=chosen).describe()}"
                )
                return None
        elif self._is_stored:
            return None
        else:
            formats = decide_date(present[:TRIED], name) and decide_date(present, name)
        if not formats or not present:
            return None
        missing = tuple(sorted({*missing, *marks}))
        if len(formats) > 1:
            self.notes.append(
                Note(
                    "ambiguous_date",
                    name,
                    "the dates can be read as day/month or as month/day, so they are not read as dates. Say which when the "
                    f"file is uploaded, under Columns of dates: {name}=d/m/y or {name}=m/d/y (in the terminal: --date "
                    f"{name}=d/m/y)",
                )
            )
            return None
        places = {cell: place for place, cell in enumerate(present)}
        order = np.array([places.get(cell, -1) for cell in cells])
        times = parse([*present, ""], formats[0])
        values = pd.Series(times.to_numpy()[order][codes], copy=False)
        self.changed |= formats[0] != "ISO8601" or [*iso(times.iloc[:-1])] != present or bool(missing)
        notation = Notation(date=formats[0], missing=missing)
        self.notes.append(Note("notation", name, f"read as {notation.describe()}"))
        self._note_missing(name, missing)
        return Column(values, notation)

    def _note_units(self, name: str, counts: Mapping[str, int]) -> None:
        if units := units_of(counts):
            message = f"its numbers are in several units ({', '.join(units)}), so they are read as texts; convert them to one"
            self.notes.append(Note("mixed_units", name, message))

    def _note_missing(self, name: str, missing: Collection[str]) -> None:
        if missing:
            self.notes.append(Note("missing", name, f"{_listed(missing)} stands for a missing value"))

    def _note_codes(self, name: str, present: list[str]) -> None:
        if present and all(cell.strip().lstrip("-").isdecimal() for cell in present):
            large = next((cell for cell in present if is_too_long(cell)), "")
            if large:
                message = (
                    f"{quote(large)} is a whole number beyond 2^53, of which floating-point numbers lose the last digits, "
                    "so the column is read as codes"
                )
                self.notes.append(Note("too_large", name, message))
            elif any(is_code(cell.strip()) for cell in present):
                self.notes.append(
                    Note("codes", name, "numbers with leading zeros are codes, and are kept as written")
                )

    # ---- problems

    def raise_problems(self) -> None:
        """Raise TableError with the lines of the first values that cannot be read."""
        if not self._problems:
            return
        problems: list[FileProblem] = []
        places = {name: self._raw.header.index(name) for name in self._problems}
        left = dict.fromkeys(places, MAX_PROBLEMS)
        for block in read_blocks(self._raw.path, self._delimiter):
            for name, place in places.items():
                for line, cell in zip(block.lines, block.columns[place], strict=True):
                    if cell in self._problems[name] and left[name]:
                        left[name] -= 1
                        problems.append(FileProblem(line, name, self._problems[name][cell]))
        raise TableError("some values are invalid", problems[:MAX_PROBLEMS])


def _is_mark(cell: str) -> bool:
    """Return whether a cell among dates means a missing one."""
    return (
        cell.strip().casefold() in AMONG_NUMBERS or cell.strip() in OFTEN_MISSING or not cell.strip("0-/.: ")
    )


def _is_beyond(values: NDArray[Any], largest: float) -> bool:
    """Return whether a number is larger, or smaller than its negative; NaN is not."""
    return bool(np.fmax.reduce(values) > largest or np.fmin.reduce(values) < -largest)


def _listed(marks: Collection[str]) -> str:
    return ", ".join(map(quote, sorted(marks)))


def _why(cell: str) -> str:
    shown = quote(cell)
    if cell.strip().lower().lstrip("+-") in {"inf", "infinity"}:
        return f"{shown} is not a finite number; leave the cell empty if the value is missing"
    text = PLAIN.number(cell)
    if text is not None and abs(float(text)) > LARGEST:
        return f"{shown} is too large; expected a number from -{LARGEST:g} to {LARGEST:g}"
    return (
        f"expected a number like the other values, got {shown}; leave the cell empty if the value is missing, "
        "or use the column as a category if it holds codes"
    )
