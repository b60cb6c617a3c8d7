"""Reading a whole CSV file into a frame; errors name unreadable numbers by line and column."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from training.ml.tables.contract import LARGEST
from training.ml.tables.reading import MAX_PROBLEMS, MISSING, FileProblem, TableError, delimiter_of, rows

_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_NUMBER_WITH_COMMAS = re.compile(rf"[+-]?\d+,\d+|{_THOUSANDS.pattern}")
# share of numbers from which the texts in a column count as typing errors instead of categories
_MOSTLY_NUMBERS = 0.9


def read_table(path: Path, *, texts: Collection[str] = (), numbers: Collection[str] = ()) -> pd.DataFrame:
    """Read a CSV file with a header into a frame, shape (rows, columns).

    Args:
        texts: columns whose cells are kept as written, such as codes with leading zeros.
        numbers: columns in which all values must be numbers. Names that are not in the file are ignored.

    Raises:
        TableError: the file is not text or not UTF-8, has no rows, or has rows of a wrong length, blank or duplicate
            names, or unusable numbers.
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
        low_memory=False,
        header=0,
        names=columns,
        dtype={name: str for name in columns if name in texts},
    )
    frame = _numbers_to_numbers(_blank_cells_to_missing(frame, texts), numbers)
    problems = list(_bad_numbers(frame, path, texts=texts, numbers=numbers))
    if problems:
        raise TableError("some values are invalid", problems[:MAX_PROBLEMS])
    return frame


def _blank_cells_to_missing(frame: pd.DataFrame, texts: Collection[str]) -> pd.DataFrame:
    """Replace cells of only spaces by missing values, and convert columns that then hold only numbers."""
    for name in frame.select_dtypes([object, "str"]):
        column = frame[name]
        blanks = [value for value in column.unique() if isinstance(value, str) and not value.strip()]
        if blanks:
            kept = column.mask(column.isin(blanks))
            numbers = kept if name in texts else pd.to_numeric(kept, errors="coerce")
            frame[name] = numbers if numbers.notna().equals(kept.notna()) else kept
    return frame


def _numbers_to_numbers(frame: pd.DataFrame, numbers: Collection[str]) -> pd.DataFrame:
    """Convert columns that must be numbers if pandas kept texts, as it does for integers beyond 64 bits."""
    for name in frame.columns.intersection(list(numbers)):
        if _may_hold_texts(frame[name]):
            converted = pd.to_numeric(frame[name].astype(str), errors="coerce")
            if converted.notna().equals(frame[name].notna()):
                frame[name] = converted
    return frame


def _bad_numbers(
    frame: pd.DataFrame, path: Path, *, texts: Collection[str], numbers: Collection[str]
) -> Iterator[FileProblem]:
    suspects: dict[str, list[int]] = {}
    for name in frame.columns.difference(list(texts), sort=False):
        bad = _unreadable(frame[name], must_be_numbers=name in numbers)
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
            yield FileProblem(line, name, _why(cells[header.index(name)]))


def _unreadable(column: pd.Series, *, must_be_numbers: bool) -> pd.Series | None:
    """Mark the unusable values of a column in which numbers are expected; return None if they are not expected."""
    if _is_numeric(column):
        return column.astype(float).abs() > LARGEST
    if must_be_numbers:
        return pd.to_numeric(column.astype(str), errors="coerce").isna() & column.notna()
    return _slips(column) if _may_hold_texts(column) else None


def _slips(column: pd.Series) -> pd.Series:
    """Mark the few texts in a column of numbers, and numbers written with a decimal comma."""
    # Each distinct value is checked once, because most columns of texts have few.
    counts = column.value_counts()
    if counts.empty:
        return column.isna() & False
    texts = pd.Series(counts.index.astype(str), index=counts.index)
    numeric = pd.to_numeric(texts, errors="coerce").notna()
    comma = texts.str.fullmatch(_NUMBER_WITH_COMMAS)
    share = counts[numeric | comma].sum() / counts.sum()
    is_numeric = share >= _MOSTLY_NUMBERS and (numeric.any() or comma.all())
    return column.isin(counts.index[~numeric] if is_numeric else [])


def _may_hold_texts(column: pd.Series) -> bool:
    """Return whether the values are texts or mixed, such as integers of which some are beyond 64 bits."""
    return isinstance(column.dtype, pd.StringDtype) or pd.api.types.is_object_dtype(column.dtype)


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
        return f"{shown} is too large; expected a number from -{LARGEST:g} to {LARGEST:g}"
    return (
        f"expected a number like the other values, got {shown}; leave the cell empty if the value is missing, "
        "or use the column as a category if it holds codes"
    )


def _why_comma(cell: str, shown: str) -> str:
    """Explain a comma, which is decimal in some countries and separates thousands in others."""
    decimal, whole = cell.replace(",", ".")[:60], cell.replace(",", "")[:60]
    if not _THOUSANDS.fullmatch(cell):
        return f"{shown} has a decimal comma; write {decimal}"
    if cell.count(",") > 1 or "." in cell:
        return f"{shown} has commas between thousands; write {whole}"
    return f"{shown} has a comma; write {whole} if it separates thousands, {decimal} if it is a decimal comma"
