"""Drift of the inputs: the distance between the values of callers and the training table."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from training.ml.tables import times
from training.ml.tables.contract import LONGEST_VALUE, Kind
from training.models import Dataset

# share of the table's values that each group of bins has at least
GROUP = 0.1
# additional groups, not of values of the table
MISSING, OTHER = object(), object()


@dataclass(frozen=True)
class Drift:
    """One input.

    `moved` is the share of rows that would have to change for both distributions to match (total variation
    distance), `by_chance` the average of `moved` for the same number of rows of the table itself. `then` and
    `now` are the median for numbers and dates (seconds since 1970), otherwise the share of the table's most frequent value.
    """

    feature: str
    moved: float
    by_chance: float
    then: float
    now: float | None
    value: str | None = None
    is_date: bool = False


def of_inputs(names: Sequence[str], dataset: Dataset, rows: Sequence[Mapping[str, Any]]) -> list[Drift]:
    """Compare logged rows with the profile of the table, sorted by the distance beyond chance.

    Args:
        names: the contract's inputs.
        dataset: the training table.
        rows: values by input, as they were logged.
    """
    if not rows:
        return []
    columns = {column["name"]: column for column in dataset.profile}
    drifts = []
    for name in names:
        column, values = columns.get(name, {}), [row.get(name) for row in rows]
        if "edges" in column:
            date_format = dataset.reading.get("columns", {}).get(name, {}).get("date", "")
            drifts.append(_of_numbers(column, values, date_format))
        elif column.get("top"):
            drifts.append(_of_values(column, dataset.rows, values))
    return sorted(drifts, key=lambda drift: drift.by_chance - drift.moved)


def _of_numbers(column: Mapping[str, Any], values: Sequence[Any], date_format: str) -> Drift:
    numbers = sorted(
        number for value in values if (number := _number(value, column, date_format)) is not None
    )
    edges, bins = column["edges"], _groups(column["counts"], column["edges"])
    inner = [upper for upper, _ in bins[:-1]]
    # values outside the table's range have their own groups, which are empty for the table
    then: Counter[Any] = Counter({place: count for place, (_, count) in enumerate(bins)})
    then[MISSING] = column["missing"]
    now: Counter[Any] = Counter(
        -1 if number < edges[0] else len(bins) if number > edges[-1] else bisect_right(inner, number)
        for number in numbers
    )
    now[MISSING] = len(values) - len(numbers)
    middle = numbers[len(numbers) // 2] if numbers else None
    before: Any = column["quantiles"][2]
    return Drift(
        column["name"],
        *_distance(then, now),
        then=_number(before, column) or 0.0,
        now=middle,
        is_date=column.get("kind") == Kind.DATE,
    )


def _number(value: Any, column: Mapping[str, Any], date_format: str = "") -> float | None:
    """A value as a number, and a date as seconds since 1970; None for a missing one."""
    if column.get("kind") == Kind.DATE:
        moment = times.read(value, date_format)
        return None if moment is None else times.seconds(moment)
    return float(value) if isinstance(value, int | float) else None


def _groups(counts: Sequence[int], edges: Sequence[float]) -> list[tuple[float, int]]:
    """The merged bins of a histogram: upper edge and count of each group."""
    total, groups, since = sum(counts), [], 0
    for upper, reached in zip(edges[1:], accumulate(counts), strict=True):
        if reached - since >= GROUP * total:
            groups.append((upper, reached - since))
            since = reached
    if since < total:
        groups.append((edges[-1], total - since))
    return groups


def _of_values(column: Mapping[str, Any], rows: int, values: Sequence[Any]) -> Drift:
    first = column["top"][0][0]
    then: Counter[Any] = Counter()
    for value, count in column["top"]:
        then[value.lower()] += count
    # the profile cuts long values
    texts = [None if value is None else str(value)[:LONGEST_VALUE].lower() for value in values]
    now: Counter[Any] = Counter(
        MISSING if text is None else text if text in then else OTHER for text in texts
    )
    then[OTHER] = rows - column["missing"] - then.total()
    then[MISSING] = column["missing"]
    return Drift(
        column["name"],
        *_distance(then, now),
        then=then[first.lower()] / then.total(),
        now=now[first.lower()] / len(values),
        value=first,
    )


def _distance(then: Counter[Any], now: Counter[Any]) -> tuple[float, float]:
    """The distance of two distributions, and the distance by chance for the same number of rows."""
    before, after = max(then.total(), 1), now.total()
    shares = {place: then[place] / before for place in then | now}
    moved = sum(abs(share - now[place] / after) for place, share in shares.items()) / 2
    by_chance = sum(math.sqrt(2 * share * (1 - share) / (math.pi * after)) for share in shares.values()) / 2
    return moved, by_chance
