"""The profile of a table: for each column the kind of its values, the missing ones, and the distribution by class."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.ml.files.dates import days, is_of_days, texts
from training.ml.tables.contract import LONGEST_VALUE, Kind, labels, top_values
from training.ml.tables.inference import kind_of

TOP_VALUES = 10  # most frequent values of a column
DAY = 86_400  # seconds
BINS = 20  # bins of a histogram
QUANTILES = (0, 0.25, 0.5, 0.75, 1)
# classes; the profiles of a hundred classes in ten thousand columns would be larger than the table
SHOWN_CLASSES = 8
COLUMNS_BY_CLASS = 1_000  # columns that are also profiled by class


@dataclass(frozen=True)
class Classes:
    """The most frequent classes, and the class of each row.

    Attributes:
        codes: for each row the index in `labels`, or -1 for a rarer class or no label.
        order: the rows by their codes.
        bounds: where in this order the rows of each class end, first those of no class.
    """

    labels: list[str]
    codes: NDArray[np.int8]
    order: NDArray[np.intp]
    bounds: NDArray[np.intp]


def describe(table: pd.DataFrame, target: str) -> list[dict[str, Any]]:
    """Profile every column.

    Args:
        table: as read from CSV, shape (rows, columns).
        target: the label column.

    Returns:
        One mapping per column: `name`, `kind` (empty if there are no values), `missing` and `distinct` (counts), and
        either `top` (most frequent values with their counts) or `quantiles` (0, 25, 50, 75, 100 %) and a histogram of
        `counts` between `edges`. The quantiles of dates are texts in ISO 8601, their edges seconds since 1970. The first thousand columns except the target also have `by_class`: for each of the
        eight most frequent classes its `label`, `rows` with a value, `counts` in the same order as those of all rows,
        and for numbers the `median`.
    """
    classes = _classes(table[target])
    described, left = [], COLUMNS_BY_CLASS
    for name in table.columns:
        split = classes if name != target and left > 0 else None
        left -= split is not None
        described.append({"name": str(name), **_describe(table[name], split)})
    return described


def _classes(column: pd.Series) -> Classes:
    texts = labels(column.dropna())
    names = texts.value_counts().head(SHOWN_CLASSES).index
    known = texts if len(texts) == len(column) else texts.reindex(column.index)
    codes = names.get_indexer(pd.Index(known)).astype(np.int8)
    bounds = np.cumsum(np.bincount(codes + 1, minlength=len(names) + 1))
    return Classes(list(names), codes, np.argsort(codes, kind="stable"), bounds[:-1])


def _describe(column: pd.Series, classes: Classes | None) -> dict[str, Any]:
    places: NDArray[np.intp] | None = None
    if isinstance(column.dtype, pd.StringDtype):
        places, uniques = pd.factorize(column.to_numpy())
        present, values = places >= 0, pd.Series(uniques, dtype=column.dtype)
    else:
        present = column.notna().to_numpy()
        values = column if present.all() else column[present]
    profile: dict[str, Any] = {
        "kind": kind_of(values).value if len(values) else "empty",
        "missing": int((~present).sum()),
    }
    if profile["kind"] in {Kind.NUMBER, Kind.INTEGER}:
        return {**profile, **_describe_numbers(column.to_numpy(), classes)}
    if profile["kind"] == Kind.DATE:
        return {**profile, **_describe_dates(column, classes)}
    if places is None:
        places, uniques = pd.factorize(column.to_numpy())
    counts = np.bincount(places[present], minlength=len(uniques))
    order = np.argsort(-counts, kind="stable")[:TOP_VALUES]
    profile |= {
        "distinct": len(uniques),
        "top": [[str(uniques[place])[:LONGEST_VALUE], int(counts[place])] for place in order],
    }
    if profile["kind"] == Kind.BOOLEAN:
        profile["top"] = [list(pair) for pair in top_values(profile)]
    if classes is None or not len(values):
        return profile
    counted = present & (classes.codes >= 0)
    width = len(uniques)
    pairs = classes.codes[counted].astype(np.intp) * width + places[counted]
    of_class = np.bincount(pairs, minlength=len(classes.labels) * width).reshape(-1, width)
    profile["by_class"] = [
        {"label": label, "rows": int(rows.sum()), "counts": rows[order].tolist()}
        for label, rows in zip(classes.labels, of_class, strict=True)
    ]
    return profile


def _describe_numbers(numbers: NDArray[Any], classes: Classes | None) -> dict[str, Any]:
    """Describe numbers, of which NaN are missing; all figures are read from the sorted values of each class."""
    groups = np.split(numbers[classes.order], classes.bounds) if classes else [numbers.copy()]
    for place, group in enumerate(groups):
        group.sort()
        if group.dtype.kind == "f":
            groups[place] = group[: np.searchsorted(group, np.nan)]
    values = np.sort(np.concatenate(groups)) if classes else groups[0]
    figures = values.astype(np.float64)
    edges = _edges(figures)
    profile: dict[str, Any] = {
        "distinct": int(np.count_nonzero(values[1:] != values[:-1])) + 1,
        "quantiles": _quantiles(figures),
        "counts": _count(figures, edges),
        "edges": edges.tolist(),
    }
    if classes is None:
        return profile
    profile["by_class"] = []
    for label, group in zip(classes.labels, groups[1:], strict=True):
        chosen = group.astype(np.float64)
        middle = chosen[(len(chosen) - 1) // 2 : len(chosen) // 2 + 1]
        profile["by_class"].append(
            {
                "label": label,
                "rows": len(chosen),
                "counts": _count(chosen, edges),
                "median": float(np.mean(middle)) + 0.0 if len(chosen) else None,
            }
        )
    return profile


def _describe_dates(column: pd.Series, classes: Classes | None) -> dict[str, Any]:
    """Describe dates like numbers, in seconds since 1970; quantiles and medians are texts."""
    profile = _describe_numbers(days(column) * DAY, classes)
    profile["quantiles"] = _texts(profile["quantiles"], column)
    for group in profile.get("by_class", []):
        if group["median"] is not None:
            (group["median"],) = _texts([group["median"]], column)
    return profile


def _texts(seconds: list[float], column: pd.Series) -> list[str]:
    moments = pd.Series(pd.to_datetime(np.round(seconds), unit="s"))
    return texts(moments.dt.normalize() if is_of_days(column) else moments, column)


def _quantiles(ordered: NDArray[np.float64]) -> list[float]:
    """Return the quantiles of sorted numbers, as `numpy.quantile` interpolates between the two that are next to each."""
    places = np.array(QUANTILES) * (len(ordered) - 1)
    before = np.floor(places).astype(np.intp)
    after = np.minimum(before + 1, len(ordered) - 1)
    between = np.quantile(np.array([ordered[before], ordered[after]]), places - before, axis=0)
    quantiles: list[float] = (np.diagonal(between) + 0.0).tolist()  # without the sign of -0.0
    return quantiles


def _edges(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of a histogram's bins."""
    try:
        return np.histogram_bin_edges(ordered[[0, -1]], bins=BINS)
    except ValueError:  # there are not enough floats between the values for BINS edges
        return ordered[[0, -1]]


def _count(ordered: NDArray[np.float64], edges: NDArray[np.float64]) -> list[int]:
    """Count sorted numbers in the bins of a histogram that was made for all rows."""
    counts: list[int] = np.diff(
        np.searchsorted(ordered, edges[1:-1]), prepend=0, append=len(ordered)
    ).tolist()
    return counts
