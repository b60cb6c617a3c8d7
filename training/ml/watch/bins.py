"""Bins of the inputs: each value of a served row belongs to one bin, and bins are counted instead of values.

The bins of all columns, and the cells of label and confidence after them, have consecutive places in one array of counts.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from training.ml.tables.contract import Contract, Feature, Kind

TENTHS = 10  # groups of equal size of the values of a number
MOST_CATEGORIES = 20  # categories of a column that all have a bin of their own
MOST_COLUMNS = 1_000  # watched columns of a wide table
# confidences between which the predictions of a label are counted, if none are known
EVEN_TENTHS = tuple(place / TENTHS for place in range(1, TENTHS))


@dataclass(frozen=True)
class Column:
    """The bins of one input.

    Attributes:
        kind: that of the contract's feature.
        edges: of numbers, dates (seconds since 1970) and texts (their length): n edges part the line in n + 1 bins, of which
            the first is below and the last above all values of training; bins contain their lower edge. Empty for others.
        values: of categories and booleans: those with a bin of their own. Bins for groups of other values of training, and one
            for unseen values, follow.
        groups: number of these groups. A value belongs to one by a checksum, because groups by frequency would make new rows
            of the same distribution look different: what was frequent by chance in training is less frequent later.

    The last bin has the missing values.
    """

    name: str
    kind: Kind
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    groups: int = 0

    @property
    def is_ordered(self) -> bool:
        """Whether its bins are ranges."""
        return bool(self.edges)

    @property
    def size(self) -> int:
        """The number of bins."""
        return len(self.edges) + 2 if self.is_ordered else len(self.values) + self.groups + 2

    @property
    def missing(self) -> int:
        """The bin of missing values."""
        return self.size - 1

    def other(self, value: str) -> int:
        """The bin of a value of training that has none of its own; only of categories with groups."""
        return len(self.values) + crc32(value.encode()) % self.groups

    @property
    def unseen(self) -> int:
        """The bin of values that training did not have; only of categories."""
        return self.size - 2

    @property
    def ends(self) -> tuple[int, ...]:
        """The bins below and above the values of training; only of ordered columns."""
        return (0, len(self.edges)) if self.is_ordered else ()

    @property
    def outside(self) -> tuple[int, ...]:
        """The bins of values that training did not have; later dates than those of training are usual."""
        return self.ends[:1] if self.kind is Kind.DATE else self.ends

    def to_dict(self) -> dict[str, Any]:
        """Return the column as JSON values."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "edges": list(self.edges),
            "values": list(self.values),
            "groups": self.groups,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        edges, values = tuple(data["edges"]), tuple(data["values"])
        return cls(data["name"], Kind(data["kind"]), edges, values, data["groups"])


@dataclass(frozen=True)
class Bins:
    """The bins of a version: of its columns, and of its predictions by label and confidence.

    Attributes:
        classes: the labels, in the order of the contract.
        confidence: the edges between bins of the label's probability.
    """

    columns: tuple[Column, ...]
    classes: tuple[str, ...]
    confidence: tuple[float, ...] = EVEN_TENTHS

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """The place of the first bin of each column, and after them that of the first cell."""
        return tuple(accumulate((column.size for column in self.columns), initial=0))

    @property
    def levels(self) -> int:
        """The number of bins of the confidence."""
        return len(self.confidence) + 1

    @property
    def size(self) -> int:
        """The number of places."""
        return self.offsets[-1] + len(self.classes) * self.levels

    def of_column(self, counts: NDArray[Any], place: int) -> NDArray[Any]:
        """Return the counts of one column, shape (..., bins of the column), from those of all places."""
        return counts[..., self.offsets[place] : self.offsets[place + 1]]

    def cells(self, counts: NDArray[Any]) -> NDArray[Any]:
        """Return the counts of label and confidence, shape (..., classes, levels), from those of all places."""
        return counts[..., self.offsets[-1] :].reshape(*counts.shape[:-1], len(self.classes), self.levels)

    def to_dict(self) -> dict[str, Any]:
        """Return the bins as JSON values."""
        return {
            "columns": [column.to_dict() for column in self.columns],
            "classes": list(self.classes),
            "confidence": list(self.confidence),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(
            tuple(map(Column.from_dict, data["columns"])), tuple(data["classes"]), tuple(data["confidence"])
        )


class Binner:
    """Finds the places of values, for the rows of one contract."""

    def __init__(self, bins: Bins, contract: Contract) -> None:
        self.bins = bins
        features = {feature.name: feature for feature in contract.features}
        self._columns = [
            _of(column, features[column.name], offset)
            for column, offset in zip(bins.columns, bins.offsets, strict=False)
        ]
        self._finders = [(column.name, column.finder()) for column in self._columns]
        self._cells = {
            label: bins.offsets[-1] + place * bins.levels for place, label in enumerate(bins.classes)
        }

    def places(
        self,
        values: Sequence[Mapping[str, Any]] | Mapping[str, NDArray[Any]],
        labels: Sequence[str],
        confidences: Sequence[float],
    ) -> "list[int] | NDArray[np.intp]":
        """Return the places of accepted rows, given as records or as columns, with labels and the labels' probabilities.

        Args:
            values: records of JSON values, or for each feature the column of a prepared frame, length (rows,).

        Returns:
            One place for each value and one for each cell, length (rows * (columns + 1),), in any order.
        """
        if isinstance(values, Mapping):
            return self._of_arrays(values, labels, confidences)
        edges, cells = self.bins.confidence, self._cells
        places = [place(record[name]) for record in values for name, place in self._finders]
        places += [
            cells[label] + bisect_right(edges, confidence)
            for label, confidence in zip(labels, confidences, strict=True)
        ]
        return places

    def by_column(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.intp]:
        """Return the bin of each value among those of its column, for columns of a prepared frame, shape (rows, columns)."""
        places = [column.places(arrays[column.name]) for column in self._columns]
        return np.stack(places, axis=1) - self.bins.offsets[:-1]

    def _of_arrays(
        self, arrays: Mapping[str, NDArray[Any]], labels: Sequence[str], confidences: Sequence[float]
    ) -> NDArray[np.intp]:
        if not len(labels):
            return np.empty(0, dtype=np.intp)
        found = [column.places(arrays[column.name]) for column in self._columns]
        firsts = np.fromiter(map(self._cells.__getitem__, labels), np.intp, len(labels))
        found.append(firsts + np.searchsorted(self.bins.confidence, confidences, side="right"))
        return np.concatenate(found)


class _Ordered:
    """The places of a number, or of what is read as one."""

    def __init__(self, column: Column, offset: int) -> None:
        self.name = column.name
        self._offset = offset
        self._missing = offset + column.missing
        self._edges = column.edges
        self._array = np.array(column.edges)

    def finder(self) -> Callable[[Any], int]:
        """A function that returns the place of a value."""
        return self.place

    def place(self, value: Any) -> int:
        return self._missing if value is None else self._offset + bisect_right(self._edges, value)

    def places(self, values: NDArray[Any]) -> NDArray[np.intp]:
        found = np.searchsorted(self._array, values, side="right")
        found += self._offset
        # NaN is sorted behind all numbers
        if np.isnan(values.sum()):
            found[np.isnan(values)] = self._missing
        return found


class _Dates(_Ordered):
    def __init__(self, column: Column, feature: Feature, offset: int) -> None:
        super().__init__(column, offset)
        self._feature = feature

    def place(self, value: Any) -> int:
        moment = None if value is None else self._feature.moment(value)
        return super().place(None if moment is None else seconds_of(np.array([moment], "datetime64[us]"))[0])

    def places(self, values: NDArray[Any]) -> NDArray[np.intp]:
        return super().places(seconds_of(values))


class _Texts(_Ordered):
    def place(self, value: Any) -> int:
        return super().place(None if value is None else len(value))

    def places(self, values: NDArray[Any]) -> NDArray[np.intp]:
        return super().places(lengths_of(values))


class _Default(dict[Any, int]):
    """A dictionary with one value for all other keys."""

    def __init__(self, known: Mapping[Any, int], other: int) -> None:
        super().__init__(known)
        self._other = other

    def __missing__(self, _key: Any) -> int:
        return self._other


class _Values:
    """The places of a category or a boolean."""

    def __init__(self, column: Column, feature: Feature, offset: int) -> None:
        self.name = column.name
        others = {
            value: offset + (column.other(value) if column.groups else column.unseen)
            for value in feature.categories
        }
        own = {value: offset + place for place, value in enumerate(column.values)}
        self._known: dict[Any, int] = {**others, **own, None: offset + column.missing}
        self._unseen = offset + column.unseen
        self._spelled = feature.spelled if feature.merged else None

    def finder(self) -> Callable[[Any], int]:
        """A function that returns the place of a value."""
        # what a dictionary does itself takes a third of the time
        return self.place if self._spelled else _Default(self._known, self._unseen).__getitem__

    def place(self, value: Any) -> int:
        return self._known.get(self._spelled(value) if self._spelled and value else value, self._unseen)

    def places(self, values: NDArray[Any]) -> NDArray[np.intp]:
        known, unseen = {**self._known, np.nan: self._known[None]}, self._unseen
        return np.array([known.get(value, unseen) for value in values.tolist()], dtype=np.intp)


class _Booleans(_Values):
    def finder(self) -> Callable[[Any], int]:
        return self.place

    def place(self, value: Any) -> int:
        return super().place(None if value is None else _TRUTHS[bool(value)])

    def places(self, values: NDArray[Any]) -> NDArray[np.intp]:
        table = np.array([self.place(value) for value in (False, True, None)])
        codes = np.where(np.isnan(values), 2, values)
        return table[codes.astype(np.intp)]


_TRUTHS = ("false", "true")


def _of(column: Column, feature: Feature, offset: int) -> "_Ordered | _Values":
    if column.kind is Kind.DATE:
        return _Dates(column, feature, offset)
    if column.kind is Kind.TEXT:
        return _Texts(column, offset)
    if column.kind is Kind.BOOLEAN:
        return _Booleans(column, feature, offset)
    return _Ordered(column, offset) if column.is_ordered else _Values(column, feature, offset)


def seconds_of(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return dates as seconds since 1970, shape (rows,); NaT becomes NaN."""
    seconds = values.astype("datetime64[us]").astype(np.int64) / 1e6
    seconds[np.isnat(values)] = np.nan
    return np.asarray(seconds, dtype=np.float64)


def lengths_of(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the numbers of characters of texts, shape (rows,); NaN for missing ones."""
    return np.array([len(value) if isinstance(value, str) else np.nan for value in values], dtype=np.float64)
