"""The reference of a version: how its training table fills the bins, and how often it was right on held-out rows.

It is made once, at the end of training. For versions from before, it is taken over from the profile of their table.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from training.ml.tables.contract import WRITTEN, Contract, Feature, Kind
from training.ml.watch.bins import (
    EVEN_TENTHS,
    MOST_CATEGORIES,
    MOST_COLUMNS,
    TENTHS,
    Bins,
    Column,
    lengths_of,
    seconds_of,
)

if TYPE_CHECKING:
    import pandas as pd

# share of the rows from which a single number, and one of many categories, has a bin of its own
OFTEN, OFTEN_OF_MANY = 0.1, 0.05
# groups of the other categories of a column with many
GROUPS = 8
# numbers of digits with which edges and sums are stored
_DIGITS = 12


@dataclass(frozen=True)
class Cells:
    """Rows by predicted label and confidence, each of shape (classes, levels).

    Attributes:
        rows: number of rows.
        correct: how many of them were of the predicted class.
        confidence: sum of the labels' probabilities.
    """

    rows: NDArray[np.int64]
    correct: NDArray[np.int64]
    confidence: NDArray[np.float64]

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.rows + other.rows, self.correct + other.correct, self.confidence + other.confidence
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the cells as JSON values."""
        return {
            "rows": self.rows.tolist(),
            "correct": self.correct.tolist(),
            "confidence": np.round(self.confidence, _DIGITS).tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        rows, correct = (np.array(data[name], dtype=np.int64) for name in ("rows", "correct"))
        return cls(rows, correct, np.array(data["confidence"], dtype=np.float64))


@dataclass(frozen=True)
class Reference:
    """The bins of a version with the rows of training in each.

    Attributes:
        counts: for each column the rows of the table by bin.
        cells: the held-out rows; None where they are not known by label and confidence.
        known: these and the cross-validated rows of training, from which accuracy is estimated; None where there are none.
        predicted: the held-out rows by predicted label, shape (classes,); from the confusion where `cells` is None.
    """

    bins: Bins
    counts: tuple[tuple[int, ...], ...]
    cells: Cells | None
    predicted: tuple[int, ...]
    known: Cells | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the reference as JSON values."""
        return {
            **self.bins.to_dict(),
            "counts": [list(counts) for counts in self.counts],
            "cells": self.cells.to_dict() if self.cells else None,
            "predicted": list(self.predicted),
            "known": self.known.to_dict() if self.known else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(
            Bins.from_dict(data),
            tuple(map(tuple, data["counts"])),
            Cells.from_dict(data["cells"]) if data["cells"] else None,
            tuple(data["predicted"]),
            Cells.from_dict(data["known"]) if data.get("known") else None,
        )

    def with_held_out(self, truth: Sequence[str], labels: Sequence[str], confidence: Sequence[float]) -> Self:
        """Return the reference with the cells of these held-out rows, in the bins that it has.

        Args:
            truth, labels, confidence: true and predicted class, and the probability of the predicted one, by row.
        """
        cells = cells_of(self.bins, truth, labels, np.asarray(confidence, dtype=np.float64))
        return replace(self, cells=cells, predicted=tuple(cells.rows.sum(axis=1).tolist()))


def describe(
    X: "pd.DataFrame",
    contract: Contract,
    *,
    truth: Sequence[str],
    labels: Sequence[str],
    confidence: NDArray[np.float64],
) -> Reference:
    """Return the reference of a version from its table and its held-out rows.

    Args:
        X: all labelled rows as the contract prepares them, shape (rows, features).
        truth, labels, confidence: of the held-out rows: the true and the predicted class, and the latter's probability.
    """
    described = [
        _describe(feature, X[feature.name].to_numpy()) for feature in contract.features[:MOST_COLUMNS]
    ]
    bins = Bins(
        tuple(column for column, _ in described), contract.classes, _confidence_edges(np.asarray(confidence))
    )
    nothing = Reference(bins, tuple(counts for _, counts in described), None, ())
    return nothing.with_held_out(truth, labels, confidence.tolist())


def taken_over(
    contract: Contract, profile: Sequence[Mapping[str, Any]], held_out: Mapping[str, Any], rows: int
) -> Reference:
    """Return the reference of an earlier version from the profile of its table, as far as the profile tells.

    Args:
        profile: see `training.ml.tables.profile.describe`.
        held_out: the version's evaluation as JSON values.
        rows: number of rows of the table.
    """
    known = {column["name"]: column for column in profile}
    described = [
        found
        for feature in contract.features[:MOST_COLUMNS]
        if feature.name in known and (found := _from_profile(feature, known[feature.name], rows))
    ]
    bins = Bins(tuple(column for column, _ in described), contract.classes)
    predicted = np.array(held_out["confusion"]).sum(axis=0)
    return Reference(bins, tuple(counts for _, counts in described), None, tuple(predicted.tolist()))


def _describe(feature: Feature, values: NDArray[Any]) -> tuple[Column, tuple[int, ...]]:
    if feature.kind is Kind.BOOLEAN:
        return _of_booleans(feature, values)
    if feature.kind is Kind.CATEGORY:
        counts = Counter(value for value in values if isinstance(value, str))
        return _of_categories(feature, counts, len(values) - counts.total())
    if feature.kind is Kind.DATE:
        return _of_numbers(feature, seconds_of(values))
    if feature.kind in WRITTEN:
        return _of_numbers(feature, lengths_of(values))
    return _of_numbers(feature, values)


def _of_booleans(feature: Feature, values: NDArray[np.float64]) -> tuple[Column, tuple[int, ...]]:
    missing = int(np.isnan(values).sum())
    true = int(np.nansum(values))
    column = Column(feature.name, feature.kind, values=("false", "true"))
    return column, (len(values) - missing - true, true, 0, missing)


def _of_categories(
    feature: Feature, counts: Mapping[str, int], missing: int
) -> tuple[Column, tuple[int, ...]]:
    """Return the bins of a category, with its most frequent values first.

    A value that only one row has is counted as unseen, because without this row it would be. So many unseen values are
    expected of new rows of the same distribution.
    """
    column = _column_of(feature, counts, len(counts), sum(counts.values()))
    filled = [0] * column.size
    own = {value: place for place, value in enumerate(column.values)}
    for value, count in counts.items():
        place = own[value] if value in own else column.other(value)
        filled[column.unseen if count == 1 else place] += count
    filled[column.missing] = missing
    return column, tuple(filled)


def _column_of(feature: Feature, counts: Mapping[str, int], distinct: int, rows: int) -> Column:
    """Return the bins of a category: one for each value, or with many values one for each that is surely frequent."""
    is_many = distinct > MOST_CATEGORIES
    least = OFTEN_OF_MANY * rows if is_many else 0
    often = sorted(counts, key=lambda value: (-counts[value], value))
    own = tuple(value for value in often if counts[value] >= least)
    return Column(feature.name, feature.kind, values=own, groups=GROUPS if is_many else 0)


def _of_numbers(feature: Feature, values: NDArray[np.float64]) -> tuple[Column, tuple[int, ...]]:
    present = np.sort(values[~np.isnan(values)])
    missing = len(values) - len(present)
    if not len(present):
        return Column(feature.name, feature.kind, edges=(0.0, 0.0)), (0, 0, 0, missing)
    edges = _edges(present)
    column = Column(feature.name, feature.kind, edges=tuple(edges.tolist()))
    places = np.searchsorted(edges, present, side="right")
    # as with single categories: without this row, the lowest and the highest value would be outside
    distinct_low, distinct_high = present[:2], present[-2:]
    if len(present) > 2:  # noqa: PLR2004
        if distinct_low[0] < distinct_low[1]:
            places[0] = 0
        if distinct_high[0] < distinct_high[1]:
            places[-1] = len(edges)
    counts = np.bincount(places, minlength=len(edges) + 1)
    return column, (*counts.tolist(), missing)


def _edges(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lowest value, the borders of tenths, and the next number after the highest value.

    A value that a tenth of the rows or more have is alone in its bin.
    """
    places = np.arange(1, TENTHS) * len(ordered) // TENTHS
    tenths = ordered[places]
    below = np.searchsorted(ordered, tenths)
    above = np.searchsorted(ordered, tenths, side="right")
    frequent = (above - below >= OFTEN * len(ordered)) & (above < len(ordered))
    after = ordered[above[frequent]]
    end = np.nextafter(ordered[-1], np.inf)
    edges: NDArray[np.float64] = np.unique(np.concatenate([ordered[:1], tenths, after, [end]]))
    return edges


def _confidence_edges(confidence: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the borders of tenths of the probabilities; equal ones are merged."""
    tenths = np.quantile(confidence, np.arange(1, TENTHS) / TENTHS)
    edges = np.unique(np.round(tenths, _DIGITS)).tolist()
    return tuple(edges) or EVEN_TENTHS


def cells_of(
    bins: Bins, truth: Sequence[str], labels: Sequence[str], confidence: NDArray[np.float64]
) -> Cells:
    """Return the cells of rows with these true and predicted labels, and the probabilities of the predicted ones."""
    names = {label: place for place, label in enumerate(bins.classes)}
    places = np.array([names[label] for label in labels], dtype=np.intp) * bins.levels
    places += np.searchsorted(bins.confidence, confidence, side="right")
    is_right = np.array([label == true for label, true in zip(labels, truth, strict=True)])
    shape, size = (len(bins.classes), bins.levels), len(bins.classes) * bins.levels
    return Cells(
        np.bincount(places, minlength=size).reshape(shape),
        np.bincount(places[is_right], minlength=size).reshape(shape),
        np.bincount(places, weights=confidence, minlength=size).reshape(shape).astype(np.float64),
    )


def _from_profile(
    feature: Feature, profile: Mapping[str, Any], rows: int
) -> tuple[Column, tuple[int, ...]] | None:
    """Return the bins that the profile of a column tells; None if it describes values of another kind."""
    if feature.kind in {Kind.NUMBER, Kind.INTEGER, Kind.DATE} and "edges" in profile:
        return _from_histogram(feature, profile)
    if feature.kind not in {Kind.CATEGORY, Kind.BOOLEAN} or "top" not in profile:
        return None
    counts: Counter[str] = Counter()
    is_boolean = feature.kind is Kind.BOOLEAN
    for text, count in profile["top"]:
        counts[text.lower() if is_boolean else feature.spelled(text)] += count
    if is_boolean:
        column = Column(feature.name, feature.kind, values=("false", "true"))
        return column, (counts["false"], counts["true"], 0, profile["missing"])
    if not set(counts) <= set(feature.categories):  # the profile has cut long values
        return None
    if profile["distinct"] <= len(profile["top"]):
        return _of_categories(feature, counts, profile["missing"])
    present = rows - profile["missing"]
    column = replace(_column_of(feature, counts, MOST_CATEGORIES + 1, present), groups=1)
    own = [counts[value] for value in column.values]
    return column, (*own, present - sum(own), 0, profile["missing"])


def _from_histogram(feature: Feature, profile: Mapping[str, Any]) -> tuple[Column, tuple[int, ...]] | None:
    counts, edges = profile["counts"], [float(edge) for edge in profile["edges"]]
    total, merged, kept, since = sum(counts), [], [edges[0]], 0
    for upper, count in zip(edges[1:], counts, strict=False):
        since += count
        if since >= OFTEN * total:
            merged.append(since)
            kept.append(upper)
            since = 0
    if since and merged:
        merged[-1] += since
    if not merged:
        return None
    kept[-1] = float(np.nextafter(edges[-1], np.inf))
    if len(set(kept)) != len(kept):
        return None
    column = Column(feature.name, feature.kind, edges=tuple(kept))
    return column, (0, *merged, 0, profile["missing"])
