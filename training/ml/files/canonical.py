"""The form in which tables are stored: the same values are always the same bytes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from training.ml.files.columns import Column, Table
from training.ml.files.dates import iso

# rows that are written together
AT_ONCE = 10_000


def write_canonical(table: Table, path: Path) -> None:
    """Write a table in the one form in which the same values always are the same bytes.

    UTF-8 with commas, quotes only where needed; numbers in their shortest form, dates in ISO 8601, missing values empty.
    """
    texts = [_canonical(column) for column in table.columns.values()]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(_quoted(name) for name in table.columns) + "\n")
        for begin in range(0, table.rows, AT_ONCE):
            rows = zip(*(cells(slice(begin, begin + AT_ONCE)) for cells in texts), strict=True)
            if len(texts) == 1:
                file.write("".join(f"{cell}\n" for (cell,) in rows))
            else:
                file.write("\n".join(map(",".join, rows)) + "\n")


def _canonical(column: Column) -> Callable[[slice], Sequence[str]]:
    """Return a function from a slice of the rows to their cells."""
    values = column.values
    if pd.api.types.is_datetime64_any_dtype(values):
        dates = iso(values).fillna("")
        return lambda rows: dates.iloc[rows].tolist()
    if pd.api.types.is_bool_dtype(values):
        return lambda rows: np.where(values.iloc[rows], "true", "false").tolist()
    if pd.api.types.is_numeric_dtype(values):
        return lambda rows: _shortest(values.iloc[rows].tolist())
    codes, uniques = pd.factorize(values, use_na_sentinel=False)
    written = [
        "" if pd.isna(cell) else _quoted(str(cell) if not isinstance(cell, bool) else str(cell).lower())
        for cell in uniques
    ]
    return lambda rows: [written[code] for code in codes[rows].tolist()]


def _shortest(values: list[Any]) -> list[str]:
    """Return numbers as their shortest texts, a whole one without a point, and a missing one as an empty text."""
    cells = orjson.dumps(values)[1:-1].decode().split(",")
    return ["" if cell == "null" else cell.removesuffix(".0") for cell in cells]


def _quoted(cell: str) -> str:
    if any(character in cell for character in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell
