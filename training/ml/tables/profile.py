"""The profile of a table: for each column the kind of its values, the missing ones, and the distribution by class."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.ml.tables.contract import LONGEST_VALUE, Kind, labels
from training.ml.tables.dates import days, is_of_days, texts
from training.ml.tables.inference import kind_of

TOP_VALUES = 10  # most frequent values of a column
DAY = 86_400  # seconds
BINS = 20  # bins of a histogram
# classes; the profiles of a hundred classes in ten thousand columns would be larger than the table
SHOWN_CLASSES = 8
COLUMNS_BY_CLASS = 1_000  # columns that are also profiled by class


@dataclass(frozen=True)
class Classes:
    """The most frequent classes, and the class of each row.

    `codes` holds for each row the index in `labels`, or -1 for a rarer class or no label.
    """

    labels: list[str]
    codes: NDArray[np.int8]


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
    codes = names.get_indexer(pd.Index(texts.reindex(column.index)))
    return Classes(list(names), codes.astype(np.int8))


def _describe(column: pd.Series, classes: Classes | None) -> dict[str, Any]:
    present = column.notna().to_numpy()
    values = column[present]
    profile: dict[str, Any] = {
        "kind": kind_of(values).value if len(values) else "empty",
        "missing": int((~present).sum()),
    }
    codes = classes.codes[present] if classes else None
    if profile["kind"] in {Kind.NUMBER, Kind.INTEGER}:
        figures = _describe_numbers(values.to_numpy(np.float64), classes, codes)
        return {**profile, "distinct": int(values.nunique()), **figures}
    if profile["kind"] == Kind.DATE:
        figures = _describe_dates(values, classes, codes)
        return {**profile, "distinct": int(values.nunique()), **figures}
    places, uniques = pd.factorize(values)
    counts = np.bincount(places, minlength=len(uniques))
    order = np.argsort(-counts, kind="stable")[:TOP_VALUES]
    profile |= {
        "distinct": len(uniques),
        "top": [[str(uniques[place])[:LONGEST_VALUE], int(counts[place])] for place in order],
    }
    if classes is None or codes is None or not len(values):
        return profile
    of_class = [
        np.bincount(places[codes == code], minlength=len(uniques)) for code in range(len(classes.labels))
    ]
    profile["by_class"] = [
        {"label": label, "rows": int(rows.sum()), "counts": rows[order].tolist()}
        for label, rows in zip(classes.labels, of_class, strict=True)
    ]
    return profile


def _describe_numbers(
    numbers: NDArray[np.float64], classes: Classes | None, codes: NDArray[np.int8] | None
) -> dict[str, Any]:
    counts, edges = _histogram(numbers)
    profile: dict[str, Any] = {
        "quantiles": np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1]).tolist(),
        "counts": counts.tolist(),
        "edges": edges.tolist(),
    }
    if classes is None or codes is None:
        return profile
    profile["by_class"] = []
    for code, label in enumerate(classes.labels):
        chosen = numbers[codes == code]
        spread = _count(chosen, edges)
        profile["by_class"].append(
            {
                "label": label,
                "rows": len(chosen),
                "counts": spread.tolist(),
                "median": float(np.median(chosen)) if len(chosen) else None,
            }
        )
    return profile


def _describe_dates(
    values: pd.Series, classes: Classes | None, codes: NDArray[np.int8] | None
) -> dict[str, Any]:
    """Describe dates like numbers, in seconds since 1970; quantiles and medians are texts."""
    profile = _describe_numbers(days(values) * DAY, classes, codes)
    profile["quantiles"] = _texts(profile["quantiles"], values)
    for group in profile.get("by_class", []):
        if group["median"] is not None:
            (group["median"],) = _texts([group["median"]], values)
    return profile


def _texts(seconds: list[float], column: pd.Series) -> list[str]:
    moments = pd.Series(pd.to_datetime(np.round(seconds), unit="s"))
    return texts(moments.dt.normalize() if is_of_days(column) else moments, column)


def _histogram(numbers: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    try:
        return np.histogram(numbers, bins=BINS)
    except ValueError:  # there are not enough floats between the values for BINS edges
        return np.array([len(numbers)]), np.array([numbers.min(), numbers.max()])


def _count(numbers: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    """Count numbers in the bins of a histogram that was made for all rows."""
    bins = len(edges) - 1
    return np.histogram(numbers, bins, (edges[0], edges[-1]))[0] if bins > 1 else np.array([len(numbers)])
