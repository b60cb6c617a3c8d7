"""What is wrong with the calls and values of a window."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.db.models import Sum
from numpy.typing import NDArray

from predictions.models import HourlyRefusal, hour_of
from predictions.monitoring.bins import Hours
from predictions.monitoring.evaluation.facts import DataQuality
from predictions.monitoring.evaluation.shifts import DAY, HOUR, WEEK, WEEKS_BEFORE
from training.ml.tables.contract import Kind
from training.ml.watch.bins import Column
from training.ml.watch.reference import Reference
from training.ml.watch.shift import ENOUGH_ROWS
from training.models import Version

# probability of what is told as new although the window is like training
_CHANCE = 1e-5
# predictions that the weeks before had in hours without any now, from which that is no chance
_MISSED = 10


def data_quality(
    version: Version,
    reference: Reference,
    counts: NDArray[np.int64],
    hours: Hours,
    since: datetime,
    until: datetime,
) -> DataQuality:
    bins = reference.bins
    cells = bins.cells(counts)
    rows = int(cells.sum())
    shares: dict[str, dict[str, float]] = {"missing": {}, "unseen": {}, "out_of_range": {}}
    beyond: dict[str, dict[str, float]] = {name: {} for name in shares}
    constant = []
    for place, (column, then) in enumerate(zip(bins.columns, reference.counts, strict=True)):
        of_column = bins.of_column(counts, place)
        for name, places in _odd(column).items():
            if odd := int(of_column[list(places)].sum()):
                share = odd / max(rows, 1)
                usual = sum(then[place] for place in places) / max(sum(then), 1)
                shares[name][column.name], beyond[name][column.name] = share, share - usual
        full = int(of_column.argmax())
        # values outside those of training are in one bin, however many they are
        is_narrow = np.count_nonzero(of_column) == 1 and not (column.is_ordered and full in column.ends)
        if rows >= ENOUGH_ROWS and is_narrow and _is_missed(sum(then) - then[full], sum(then), rows):
            constant.append(column.name)
    reasons = _reasons(version, since, until)
    refused = sum(reasons.values())
    by_class = cells.sum(axis=1)
    return DataQuality(
        refused=refused / (refused + rows) if refused else 0.0,
        reasons=reasons,
        **shares,
        beyond=beyond,
        constant=tuple(constant),
        silent_since=_silent_since(hours, bins.cells(hours.counts).sum(axis=(1, 2)), until),
        never_given=tuple(
            label
            for label, given, usual in zip(bins.classes, by_class, reference.predicted, strict=True)
            if not given and _is_missed(usual, sum(reference.predicted), rows)
        ),
    )


def _is_missed(usual: int, of: int, rows: int) -> bool:
    """Whether none among some rows is no chance, if so many of the rows of training were such.

    If both had the same share, each of them would be among the rows of training with this probability.
    """
    return bool((of / max(of + rows, 1)) ** usual < _CHANCE)


def _odd(column: Column) -> dict[str, Sequence[int]]:
    odd: dict[str, Sequence[int]] = {"missing": (column.missing,)}
    if not column.is_ordered:
        odd["unseen"] = (column.unseen,)
    elif column.kind is not Kind.TEXT:
        odd["out_of_range"] = column.outside
    return odd


def _reasons(version: Version, since: datetime, until: datetime) -> dict[str, int]:
    rows = HourlyRefusal.objects.filter(version=version, hour__gte=since, hour__lte=until)
    return dict(rows.values_list("code").annotate(total=Sum("predictions")).order_by("-total", "code"))


def _silent_since(hours: Hours, rows: NDArray[np.int64], until: datetime) -> datetime | None:
    """The first of the hours without predictions before a moment, if these hours had enough in each week before.

    One week is no rule, so while only one is known, the day before these hours needs predictions, too.

    Args:
        rows: predictions by hour.
    """
    known = {start: int(count) for start, count in zip(hours.starts, rows, strict=True) if count}
    if not known:
        return None
    first, missed = None, 0.0
    # the current hour is not over
    hour = hour_of(until) - HOUR
    weeks = [week for week in range(1, WEEKS_BEFORE + 1) if hour - week * WEEK >= min(known)]
    while weeks and hour not in known and all(hour - week * WEEK in known for week in weeks):
        missed += sum(known[hour - week * WEEK] for week in weeks) / len(weeks)
        first, hour = hour, hour - HOUR
    if first is None or missed < _MISSED or hour_of(until) in known:
        return None
    is_usual = len(weeks) > 1 or any(first - DAY <= start < first for start in known)
    return first if is_usual else None
