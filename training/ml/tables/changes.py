"""What differs between two tables: rows, columns, and the values of each column."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.ml.files.dates import days
from training.ml.tables.contract import LONGEST_VALUE, MOMENTS, Kind, labels, top_values
from training.ml.tables.profile import DAY
from training.ml.tables.shift import MISSING, OTHER, ColumnChange, Shift, distance, groups

_NUMBERS = frozenset([Kind.NUMBER, Kind.INTEGER])
# rows that are hashed together
AT_ONCE = 100_000

Profile = Mapping[str, Any]


def compare_columns(
    before: Sequence[Profile], after: Sequence[Profile], rows: int, table: pd.DataFrame
) -> list[ColumnChange]:
    """Compare the columns of two tables.

    Args:
        before, after: the profiles of the tables.
        rows: of the earlier table.
        table: the later table.

    Returns:
        Added, removed and otherwise read columns first, then those that moved farthest beyond chance.
    """
    old = {column["name"]: column for column in before}
    new = {column["name"]: column for column in after}
    changes = [
        ColumnChange(
            name,
            old.get(name, {}).get("kind", ""),
            new.get(name, {}).get("kind", ""),
            _shift(old[name], new[name], rows, table[name]) if name in old and name in new else None,
        )
        for name in {**old, **new}
    ]
    return sorted(changes, key=_place)


def _place(change: ColumnChange) -> tuple[bool, float]:
    shift = change.shift
    return not change.change, shift.by_chance - shift.moved if shift else 0.0


def _shift(old: Profile, new: Profile, rows: int, values: pd.Series) -> Shift | None:
    """Return the shift of a column, or None if its values cannot be compared."""
    if "edges" in old and "edges" in new and (old["kind"] == Kind.DATE) == (new["kind"] == Kind.DATE):
        return _of_numbers(old, new, values)
    if old.get("top") and "edges" not in new:
        return _of_texts(old, rows, values)
    return None


def _of_numbers(old: Profile, new: Profile, values: pd.Series) -> Shift:
    present = values.dropna()
    numbers = days(present) * DAY if new["kind"] == Kind.DATE else present.to_numpy(np.float64)
    edges, bins = old["edges"], groups(old["counts"], old["edges"])
    places = np.searchsorted([upper for upper, _ in bins[:-1]], numbers, side="right")
    # values outside the earlier range have their own groups
    places = np.where(numbers < edges[0], -1, np.where(numbers > edges[-1], len(bins), places))
    then: Counter[Any] = Counter({place: count for place, (_, count) in enumerate(bins)})
    now: Counter[Any] = Counter(dict(zip(*map(np.ndarray.tolist, np.unique_counts(places)), strict=True)))
    then[MISSING], now[MISSING] = old["missing"], new["missing"]
    return Shift(*distance(then, now), then=old["quantiles"][2], now=new["quantiles"][2])


def _of_texts(old: Profile, rows: int, values: pd.Series) -> Shift:
    write = str.lower if old["kind"] == Kind.BOOLEAN else str
    top = top_values(old)
    then: Counter[Any] = Counter(dict(top))
    then[OTHER] = rows - old["missing"] - then.total()
    then[MISSING] = old["missing"]
    now: Counter[Any] = Counter()
    for value, count in values.value_counts().items():
        text = write(str(value)[:LONGEST_VALUE])
        now[text if text in then else OTHER] += int(count)
    now[MISSING] = len(values) - now.total()
    first = top[0][0]
    return Shift(
        *distance(then, now),
        then=then[first] / max(rows, 1),
        now=now[first] / max(len(values), 1),
        value=first,
    )


# ---- rows


def hash_rows(table: pd.DataFrame, kinds: Mapping[str, Collection[str]]) -> NDArray[np.uint64]:
    """Return a number for each row, equal for rows with equal values.

    Args:
        table: shape (rows, columns).
        kinds: the columns to consider, each with the kinds that it has in the tables to compare.
    """
    columns = pd.DataFrame({name: _comparable(table[name], kinds[name]) for name in kinds}, copy=False)
    parts = [
        pd.util.hash_pandas_object(columns.iloc[begin : begin + AT_ONCE], index=False).to_numpy()
        for begin in range(0, len(columns), AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _comparable(column: pd.Series, kinds: Collection[str]) -> pd.Series:
    """Return a column in a type in which equal values of both tables are equal."""
    if set(kinds) <= _NUMBERS and pd.api.types.is_numeric_dtype(column):
        return column.astype(np.float64) + 0.0  # -0.0 is 0.0
    if set(kinds) == {Kind.DATE} and pd.api.types.is_datetime64_any_dtype(column):
        return column.astype(MOMENTS)
    texts = labels(column.dropna())
    return (texts.str.lower() if Kind.BOOLEAN in kinds else texts).reindex(column.index)


def count_common(before: NDArray[np.uint64], after: NDArray[np.uint64]) -> int:
    """Return how many rows two tables share, by their hashes; of copies as many as both have."""
    old, new = np.unique_counts(before), np.unique_counts(after)
    _, here, there = np.intersect1d(old.values, new.values, assume_unique=True, return_indices=True)
    return int(np.minimum(old.counts[here], new.counts[there]).sum())
