"""What moved: the inputs, the label mix and the probabilities of a window beside those of training and of the weeks before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from predictions.monitoring.bins import Hours
from predictions.monitoring.evaluation.facts import ColumnMoved, Moved
from training.ml.tables.contract import Kind
from training.ml.watch import shift
from training.ml.watch.bins import Column
from training.ml.watch.reference import Reference
from training.ml.watch.shift import ENOUGH_ROWS
from training.models import Version

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
# weeks before a window with whose same hours it is compared
WEEKS_BEFORE = 4
# A value that only one day of the week has is a seventh of a table of whole weeks, so no day has more than seven times the
# share of training. From this share of predictions above that, a window counts although the weeks before are not known.
DAYS_OF_WEEK, BEYOND_SEASON = 7, 0.05
# share of values that training did not know, from which an input is said to have many
MANY_NEW = 0.05
# rows before a change, from which the time of the change can be told
_ROWS_BEFORE = 100


@dataclass(frozen=True)
class _Compared:
    """One distribution by bin, of training, the window, and the same hours of the weeks before.

    `also` is that of cross-validated rows beside the held-out ones, which may be few; it has to agree that something moved.
    """

    groups: tuple[str, ...]
    then: NDArray[np.int64]
    now: NDArray[np.int64]
    before: NDArray[np.int64]
    by_hour: NDArray[np.int64]
    also: NDArray[np.int64] | None = None

    @property
    def beyond_season(self) -> float:
        """The share of predictions that no season of the week can explain."""
        then, now = (counts / max(counts.sum(), 1) for counts in (self.then, self.now))
        return float(np.maximum(now - DAYS_OF_WEEK * then, 0).sum())


def distributions(
    version: Version, reference: Reference, hours: Hours, since: datetime, until: datetime
) -> tuple[tuple[ColumnMoved, ...], Moved, Moved]:
    """The inputs, the label mix and the probabilities, judged together, so the rate of false discoveries is held."""
    bins, size = reference.bins, reference.bins.size
    now = hours.between(since, until + HOUR)
    is_short = until - since < WEEK - HOUR
    before = _weeks_before(hours, since, until) if is_short else np.zeros(size, dtype=np.int64)
    compared = [
        _Compared(
            _told_apart(column),
            *(
                _compared(column, counts)
                for counts in (
                    np.array(then, dtype=np.int64),
                    *(bins.of_column(counts, place) for counts in (now, before, hours.counts)),
                )
            ),
        )
        for place, (column, then) in enumerate(zip(bins.columns, reference.counts, strict=True))
    ]
    compared += [_label_mix(reference, now, before, hours), _probabilities(reference, now, before, hours)]
    judged = _judge(compared, hours.starts, is_short=is_short, weeks=_weeks_covered(hours, until))
    importance = {row["feature"]: row["mean"] for row in version.held_out.get("importance") or ()}
    columns = [
        ColumnMoved(
            **vars(moved),
            name=column.name,
            kind=column.kind.value,
            importance=importance.get(column.name, 0.0),
        )
        for column, moved in zip(bins.columns, judged, strict=False)
    ]
    columns.sort(key=lambda column: (not column.moved, -column.rank, -(column.shift or 0.0)))
    return tuple(columns), judged[-2], judged[-1]


def _compared(column: Column, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The counts to compare, shape (..., groups): of dates only early and missing ones apart, because time goes on."""
    if column.kind is not Kind.DATE:
        return counts
    return np.stack([counts[..., 0], counts[..., 1:-1].sum(axis=-1), counts[..., -1]], axis=-1)


def _told_apart(column: Column) -> tuple[str, ...]:
    """The names of the groups that are compared."""
    names = groups_of(column)
    if column.kind is not Kind.DATE:
        return names
    return (names[0], f"{_day(column.edges[0])} or later", names[-1])


def new_share(now: NDArray[np.int64], column: Column, then: Sequence[int]) -> float:
    """The share of values outside those of training, and of missing ones where training had none, beyond that in training."""
    places = list(column.outside if column.is_ordered else (column.unseen,))
    if not then[column.missing]:
        places.append(column.missing)
    usual = sum(then[place] for place in places) / max(sum(then), 1)
    return max(float(now[places].sum() / max(now.sum(), 1)) - usual, 0.0)


def _weeks_before(hours: Hours, since: datetime, until: datetime) -> NDArray[np.int64]:
    """The sums of the same hours of those weeks before that are known from the first of these hours on."""
    starts = {start: place for place, start in enumerate(hours.starts)}
    total = np.zeros(hours.counts.shape[1], dtype=np.int64)
    length = int((until - since) / HOUR) + 1
    for week in range(1, WEEKS_BEFORE + 1):
        first = since - week * WEEK
        if not hours.starts or first < hours.starts[0]:
            break
        places = [starts[hour] for step in range(length) if (hour := first + step * HOUR) in starts]
        total += hours.counts[places].sum(axis=0)
    return total


def _weeks_covered(hours: Hours, until: datetime) -> float:
    """How many weeks of predictions there are until a moment."""
    return (until - hours.starts[0]) / WEEK if hours.starts else 0.0


def _label_mix(
    reference: Reference, now: NDArray[np.int64], before: NDArray[np.int64], hours: Hours
) -> _Compared:
    then = np.array(reference.predicted, dtype=np.int64)
    window, past, by_hour = (
        reference.bins.cells(counts).sum(axis=-1) for counts in (now, before, hours.counts)
    )
    known = reference.known.rows.sum(axis=-1) if reference.known else then
    return _Compared(reference.bins.classes, then, window, past, by_hour, known)


def _probabilities(
    reference: Reference, now: NDArray[np.int64], before: NDArray[np.int64], hours: Hours
) -> _Compared:
    """The confidence of the labels; with two classes by label, which tells the probability of the positive one."""
    bins = reference.bins
    then = (
        np.zeros((len(bins.classes), bins.levels), dtype=np.int64)
        if reference.cells is None
        else reference.cells.rows
    )
    ranges = _ranges((0.0, *bins.confidence, 1.0))
    known = reference.known.rows if reference.known else then
    parts = [then, *(bins.cells(counts) for counts in (now, before, hours.counts)), known]
    if len(bins.classes) == 2:  # noqa: PLR2004
        groups = tuple(f"{label}, {group}" for label in bins.classes for group in ranges)
        return _Compared(
            groups, *(part.reshape(*part.shape[:-2], part.shape[-2] * part.shape[-1]) for part in parts)
        )
    return _Compared(ranges, *(part.sum(axis=-2) for part in parts))


def _judge(
    compared: Sequence[_Compared], starts: Sequence[datetime], *, is_short: bool, weeks: float
) -> list[Moved]:
    distances = [shift.distance(item.then, item.now) for item in compared]
    earlier = [shift.distance(item.before, item.now) for item in compared]
    has_before = [is_short and item.before.sum() >= ENOUGH_ROWS for item in compared]
    found = shift.discoveries([distance.p for distance in distances])
    found_before = shift.discoveries([distance.p for distance in earlier])
    results = []
    for item, distance, past, has_past, is_found, is_found_before in zip(
        compared, distances, earlier, has_before, found, found_before, strict=True
    ):
        is_enough = item.now.sum() >= ENOUGH_ROWS and item.then.sum() > 0
        moved = is_enough and is_found and distance.matters
        if moved and item.also is not None:
            other = shift.distance(item.also, item.now)
            moved = other.matters and other.p <= shift.RATE
        if has_past:
            moved = moved and is_found_before and past.matters
        excludes_season = has_past or (not is_short and weeks >= 1) or item.beyond_season > BEYOND_SEASON
        total_then, total_now = item.then.sum(), item.now.sum()
        results.append(
            Moved(
                moved=bool(moved),
                shift=distance.shift if total_now and total_then else None,
                p=distance.p if total_now and total_then else None,
                since=_since(item, starts) if moved else None,
                before=past if has_past else None,
                is_lasting=bool(moved and excludes_season),
                groups=item.groups,
                then=tuple((item.then / max(total_then, 1)).tolist()),
                now=tuple((item.now / max(total_now, 1)).tolist()),
            )
        )
    return results


def _since(item: _Compared, starts: Sequence[datetime]) -> datetime | None:
    """The start of the hour since when the distribution is another one: the most likely change of the hours read.

    If the hours before it are too few or differ from training, too, it is the first hour with predictions.
    """
    rows = item.by_hour.sum(axis=1)
    counted = np.flatnonzero(rows)
    if not len(counted):
        return None
    counts = item.by_hour[counted].astype(np.float64)
    reached = np.cumsum(counts, axis=0)
    after = reached[-1] - reached
    before, after = (
        np.vstack([np.zeros_like(reached[:1]), reached[:-1]]),
        np.vstack([reached[-1:], after[:-1]]),
    )
    place = int(np.argmax(_likelihood(before) + _likelihood(after)))
    earlier = before[place]
    if earlier.sum() < _ROWS_BEFORE or (
        (distance := shift.distance(item.then, earlier)).matters and distance.p < shift.RATE
    ):
        place = 0
    start: datetime = starts[int(counted[place])]
    return start


def _likelihood(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of the likelihood of counts with the shares that fit them best, shape (rows,)."""
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    logs = np.log(np.where(counts > 0, counts / totals, 1.0))
    sums: NDArray[np.float64] = (counts * logs).sum(axis=1)
    return sums


def groups_of(column: Column) -> tuple[str, ...]:
    """The names of a column's bins."""
    if column.kind is Kind.DATE:
        days = list(map(_day, column.edges))
        ranges = tuple(f"{low} to {high}" for low, high in pairwise(days))
        return (f"before {days[0]}", *ranges, f"after {days[-1]}", "missing")
    if column.is_ordered:
        low, *_, high = column.edges
        ranges = _of_whole_numbers(column.edges) if column.kind is Kind.INTEGER else _ranges(column.edges)
        return (f"below {_short(low)}", *ranges, f"above {_short(high)}", "missing")
    others = tuple(f"others, group {number}" for number in range(1, column.groups + 1))
    return (*column.values, *others, "unseen", "missing")


def _ranges(edges: Sequence[float]) -> tuple[str, ...]:
    return tuple(
        _short(low) if low == high else f"{_short(low)} to {_short(high)}" for low, high in pairwise(edges)
    )


def _of_whole_numbers(edges: Sequence[float]) -> tuple[str, ...]:
    """The ranges with the highest whole number that is still in each, because bins do not contain their upper edge."""
    ends = ((math.ceil(low), math.ceil(high) - 1) for low, high in pairwise(edges))
    return tuple(_short(low) if low >= high else f"{_short(low)} to {_short(high)}" for low, high in ends)


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds):%Y-%m-%d}"


def _short(number: float) -> str:
    return f"{number:.4g}"
