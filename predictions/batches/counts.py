"""Counts for the charts of a batch, by part: labels, probabilities, and labels by the values of features.

The counts of a part are JSON values, and those of a file are their sums.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.ml.tables.contract import Contract, Feature, Kind
from training.ml.tables.digits import apart

BINS = 20
RANGES = 10
SHOWN_CATEGORIES = 10
# significant digits, because there is little space on an axis
DIGITS = 4
# most numbers in the counts of a part, which limits the counted features of wide tables
MOST_COUNTS = 5_000
MOST_FEATURES = 200
MISSING = "missing"
OTHER = "other"
# 1 - 0.8 is a little less than 0.2, but belongs to the same bin
EDGE = 1e-9


@dataclass(frozen=True)
class Groups:
    """The groups of a feature's values; the last group has the missing values."""

    feature: Feature
    names: tuple[str, ...]
    edges: NDArray[Any]

    def place(self, values: NDArray[Any]) -> NDArray[np.intp]:
        """The group of each value of an array as the contract's check returns it, length (rows,)."""
        missing = len(self.names) - 1
        if self.feature.kind is Kind.CATEGORY:
            known = {name: place for place, name in enumerate(self.feature.categories[:SHOWN_CATEGORIES])}
            other = missing - 1
            return np.array(
                [known.get(value, other) if isinstance(value, str) else missing for value in values],
                dtype=np.intp,
            )
        places = np.searchsorted(self.edges, values, side="right")
        return np.where(values != values, missing, places)  # noqa: PLR0124  only NaN and NaT differ from themselves


def groups_of(feature: Feature) -> Groups:
    """The first ten categories and all others; or ten ranges of the training data, and the values below and above."""
    if feature.kind is Kind.CATEGORY:
        names = (*feature.categories[:SHOWN_CATEGORIES], OTHER, MISSING)
        return Groups(feature, names, np.empty(0))
    if feature.kind is Kind.BOOLEAN:
        return Groups(feature, ("false", "true", MISSING), np.array([0.5]))
    if feature.kind is Kind.DATE:
        return _periods(feature)
    return _ranges(feature, feature.low or 0.0, feature.high or 0.0)


def _ranges(feature: Feature, low: float, high: float) -> Groups:
    whole = feature.kind is Kind.INTEGER
    edges = np.linspace(low, high, RANGES + 1)
    edges = np.unique(np.ceil(edges) if whole else edges)
    if len(edges) == 1:
        edges = np.repeat(edges, 2)
    begins, ends = edges[:-1].tolist(), [*(edges[1:-1] - whole).tolist(), float(edges[-1])]
    least, most, *texts = apart(low, high, *begins, *ends, digits=DIGITS)
    names = [
        begin if begin == end else f"{begin} to {end}"
        for begin, end in zip(texts, texts[len(begins) :], strict=False)
    ]
    # the largest value of training belongs to the last range
    edges[-1] = np.nextafter(edges[-1], np.inf)
    return Groups(feature, (f"below {least}", *names, f"above {most}", MISSING), edges)


def _periods(feature: Feature) -> Groups:
    """Ten periods between the first and the last date of training, and the dates before and after."""
    unit = "datetime64[s]" if feature.has_times else "datetime64[D]"
    first, last = (
        np.datetime64(text).astype(unit).astype(np.int64) for text in (feature.first, feature.last)
    )
    # the last date belongs to the last period
    edges = np.unique(np.linspace(first, last + 1, RANGES + 1).astype(np.int64)).astype(unit)
    ends = (edges[1:].astype(np.int64) - 1).astype(unit)
    names = [
        str(begin) if begin == end else f"{begin} to {end}"
        for begin, end in zip(edges[:-1], ends, strict=True)
    ]
    return Groups(feature, (f"before {edges[0]}", *names, f"after {ends[-1]}", MISSING), edges)


def charted(contract: Contract) -> list[Groups]:
    """The groups of the counted features, for a wide table only the first ones."""
    most = max(1, min(MOST_FEATURES, MOST_COUNTS // ((RANGES + 3) * len(contract.classes))))
    grouped = [feature for feature in contract.features if feature.kind is not Kind.TEXT]
    return [groups_of(feature) for feature in grouped[:most]]


def count(
    contract: Contract,
    features: Iterable[Groups],
    arrays: Mapping[str, NDArray[Any]],
    labels: NDArray[np.intp],
    proba: NDArray[np.float64],
) -> dict[str, Any]:
    """Count the scored rows of a part.

    Args:
        arrays: per feature its values, length (rows,).
        labels: the class of each row by its place in the contract.
        proba: shape (rows, classes).

    Returns:
        `labels`: rows by class; `probability`: rows by twentieths of the positive class's probability, or of the
        label's where there are more than two classes; `features`: by name, rows by group and class.
    """
    classes = len(contract.classes)
    if contract.positive is None:
        share = proba.max(axis=1, initial=0.0)
    else:
        share = proba[:, contract.classes.index(contract.positive)]
    bins = np.minimum((share * BINS + EDGE).astype(np.intp), BINS - 1)
    counted = {}
    for groups in features:
        places = groups.place(arrays[groups.feature.name]) * classes + labels
        table = np.bincount(places, minlength=len(groups.names) * classes)
        counted[groups.feature.name] = table.reshape(-1, classes).tolist()
    return {
        "labels": np.bincount(labels, minlength=classes).tolist(),
        "probability": np.bincount(bins, minlength=BINS).tolist(),
        "features": counted,
    }


def add(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of the counts of several parts."""
    labels: Any = 0
    probability: Any = 0
    features: dict[str, Any] = {}
    for part in parts:
        labels = labels + np.array(part["labels"])
        probability = probability + np.array(part["probability"])
        for name, table in part["features"].items():
            features[name] = features.get(name, 0) + np.array(table)
    return {
        "labels": np.asarray(labels).tolist(),
        "probability": np.asarray(probability).tolist(),
        "features": {name: table.tolist() for name, table in features.items()},
    }


def most_telling(features: Mapping[str, Any]) -> str:
    """The feature whose groups differ most in their labels, by Cramér's V; empty without one."""
    return max(features, key=lambda name: _association(np.array(features[name], dtype=float)), default="")


def _association(table: NDArray[np.float64]) -> float:
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape) < 2:  # noqa: PLR2004
        return 0.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    chi = ((table - expected) ** 2 / expected).sum()
    return float(chi / (table.sum() * (min(table.shape) - 1)))
