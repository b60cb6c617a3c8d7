"""Drift of the inputs: the distance between the values of callers and the training table."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.ml.tables import times
from training.ml.tables.contract import LONGEST_VALUE, Kind
from training.ml.tables.shift import MISSING, OTHER, distance, groups, is_far
from training.models import Dataset


@dataclass(frozen=True)
class Drift:
    """One input.

    `moved` is the share of rows that would have to change for both distributions to match (total variation
    distance), `by_chance` the average of `moved` for two samples of these sizes from one distribution. `then` and
    `now` are the median for numbers and dates (seconds since 1970), otherwise the share of the table's most frequent value.
    """

    feature: str
    moved: float
    by_chance: float
    then: float
    now: float | None
    value: str | None = None
    is_date: bool = False

    @property
    def is_far(self) -> bool:
        """Whether it moved farther than chance explains."""
        return is_far(self.moved, self.by_chance)


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
    edges, bins = column["edges"], groups(column["counts"], column["edges"])
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
        *distance(then, now),
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
        *distance(then, now),
        then=then[first.lower()] / then.total(),
        now=now[first.lower()] / len(values),
        value=first,
    )
