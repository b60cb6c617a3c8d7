"""A table in figures: per column its kind of values, how many are missing, and how they are spread."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

TOP_VALUES = 10
BINS = 20


def describe(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Profile every column.

    Args:
        table: as read from CSV, shape (rows, columns).

    Returns:
        One mapping per column: `name`, `missing` and `distinct` (counts), and either `top` (value and count of the
        most frequent) or `quantiles` (0, 25, 50, 75, 100 %) with a histogram of `counts` between `edges`.
    """
    return [{"name": str(name), **_describe(table[name])} for name in table.columns]


def _histogram(numbers: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    try:
        return np.histogram(numbers, bins=BINS)
    except ValueError:  # so close together that floats have no BINS edges between them
        return np.array([len(numbers)]), np.array([numbers.min(), numbers.max()])


def _describe(column: pd.Series) -> dict[str, Any]:
    values = column.dropna()
    profile: dict[str, Any] = {"missing": int(column.isna().sum()), "distinct": int(values.nunique())}
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column) and len(values):
        numbers = values.to_numpy(np.float64)
        counts, edges = _histogram(numbers)
        return {
            **profile,
            "quantiles": np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1]).tolist(),
            "counts": counts.tolist(),
            "edges": edges.tolist(),
        }
    top = values.astype(str).value_counts().head(TOP_VALUES)
    return {**profile, "top": [[str(value)[:100], int(count)] for value, count in top.items()]}
