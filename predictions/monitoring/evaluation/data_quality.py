"""What is wrong with the calls and values of a window."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.db.models import Sum
from numpy.typing import NDArray

from predictions.models import HourlyRefusal, hour_of
from predictions.monitoring.bins import Hours
from predictions.monitoring.evaluation.facts import DataQuality
from predictions.monitoring.evaluation.shifts import HOUR, WEEK, WEEKS_BEFORE
from training.ml.tables.contract import Kind
from training.ml.watch.bins import Column
from training.ml.watch.reference import Reference
from training.ml.watch.shift import ENOUGH_ROWS
from training.models import Version


def data_quality(
    version: Version,
    reference: Reference,
    counts: NDArray[np.int64],
    hours: Hours,
    since: datetime,
    until: datetime,
    predicted: Sequence[int] | NDArray[np.int64],
) -> DataQuality:
    """Look at a window.

    Args:
        predicted: held-out rows by the label that the version would answer now.
    """
    bins = reference.bins
    cells = bins.cells(counts)
    rows = int(cells.sum())
    shares: dict[str, dict[str, float]] = {"missing": {}, "unseen": {}, "out_of_range": {}}
    constant = []
    for place, (column, then) in enumerate(zip(bins.columns, reference.counts, strict=True)):
        of_column = bins.of_column(counts, place)
        for name, places in _odd(column).items():
            if odd := int(of_column[list(places)].sum()):
                shares[name][column.name] = odd / max(rows, 1)
        if rows >= ENOUGH_ROWS and np.count_nonzero(of_column) == 1 and np.count_nonzero(then) > 1:
            constant.append(column.name)
    reasons = _reasons(version, since, until)
    refused = sum(reasons.values())
    by_class = cells.sum(axis=1)
    expected = np.array(predicted) / max(sum(predicted), 1) * rows
    return DataQuality(
        refused=refused / (refused + rows) if refused else 0.0,
        reasons=reasons,
        **shares,
        constant=tuple(constant),
        silent_since=_silent_since(hours, until),
        never_given=tuple(
            label
            for label, given, usual in zip(bins.classes, by_class, expected, strict=True)
            # fewer than one in e^-5 windows of the usual mix would have none
            if not given and usual >= 5  # noqa: PLR2004
        ),
    )


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


def _silent_since(hours: Hours, until: datetime) -> datetime | None:
    """The first of the hours without predictions before a moment, if these hours had some in each week before."""
    known = set(hours.starts)
    if not known:
        return None
    first: datetime | None = None
    # the current hour is not over
    hour = hour_of(until) - HOUR
    weeks = [week for week in range(1, WEEKS_BEFORE + 1) if hour - week * WEEK >= min(known)]
    while (
        weeks
        and hour not in known
        and hour >= min(known)
        and all(hour - week * WEEK in known for week in weeks)
    ):
        first, hour = hour, hour - HOUR
    return None if hour_of(until) in known else first
