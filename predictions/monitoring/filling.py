"""Counts by bin for predictions that were logged before they were counted by bin.

The hourly counts by label exist since the first release, so they tell which hours lack counts by bin. Such an hour is counted
from the log and replaced in one transaction, so this may be stopped at any time and started again.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from numpy.typing import NDArray

from predictions.models import HourlyBin, HourlyCount, Prediction, first_id
from predictions.monitoring.bins import pack, unpack
from predictions.monitoring.counts import collect
from training.ml.watch.bins import Binner
from training.models import Version

HOUR = timedelta(hours=1)
# an hour is complete some time after it ended, when the commits of slow calls have ended, too
SETTLED = timedelta(minutes=10)
# the id of a row may be this much older or younger than its time
_BEFORE, _AFTER = timedelta(minutes=1), timedelta(minutes=10)
# rows that are read at once
PIECE = 2_000


class Filled(NamedTuple):
    """The progress: hours done of those to count, and predictions counted so far."""

    hours: int
    of: int
    predictions: int


def fill(version: Version, now: datetime | None = None) -> Iterator[Filled]:
    """Count the hours of a version that lack predictions among their counts by bin, the newest first.

    An hour whose rows are no longer in the log keeps the counts that it has.

    Args:
        version: loaded with its run's dataset.
    """
    collect()
    size = version.reference.bins.size
    binner = Binner(version.reference.bins, version.contract)
    hours = _lacking(version, size, now or timezone.now())
    predictions = 0
    for done, hour in enumerate(hours, start=1):
        counted = _counted(version, binner, hour)
        if _replace(version, hour, counted):
            predictions += _rows(version, counted)
        yield Filled(done, len(hours), predictions)


def _lacking(version: Version, size: int, now: datetime) -> list[datetime]:
    """The hours with fewer predictions in the counts by bin than in those by label."""
    logged = HourlyCount.objects.filter(version=version, hour__lt=now - HOUR - SETTLED)
    binned: dict[datetime, int] = {}
    for hour, data in HourlyBin.objects.filter(version=version).values_list("hour", "counts").iterator():
        binned[hour] = binned.get(hour, 0) + _rows(version, unpack(data, size))
    totals = logged.values_list("hour").annotate(total=Sum("predictions")).order_by("-hour")
    return [hour for hour, total in totals if binned.get(hour, 0) < total]


def _rows(version: Version, counts: NDArray[np.int64]) -> int:
    return int(version.reference.bins.cells(counts).sum())


def _counted(version: Version, binner: Binner, hour: datetime) -> NDArray[np.int64]:
    """The counts of an hour's logged predictions, shape (size,)."""
    total = np.zeros(binner.bins.size, dtype=np.int64)
    rows = Prediction.objects.filter(
        version=version,
        created_at__gte=hour,
        created_at__lt=hour + HOUR,
        id__lt=first_id(hour + HOUR + _AFTER),
    ).order_by("id")
    missing = {column.name: None for column in binner.bins.columns}
    after: UUID | None = first_id(hour - _BEFORE)
    while after:
        piece = list(rows.filter(id__gt=after).values_list("id", "features", "label", "probability")[:PIECE])
        records = [missing | features for _, features, _, _ in piece]
        places = binner.places(records, [row[2] for row in piece], [row[3] for row in piece])
        total += np.bincount(places, minlength=len(total)) if piece else 0
        after = piece[-1][0] if len(piece) == PIECE else None
    return total


def _replace(version: Version, hour: datetime, counted: NDArray[np.int64]) -> bool:
    """Store the counts of an hour instead of those that it has; return False if it has as many."""
    with transaction.atomic():
        kept = HourlyBin.objects.filter(version=version, hour=hour).select_for_update()
        rows = dict(kept.values_list("pk", "counts"))
        known = sum(_rows(version, unpack(data, len(counted))) for data in rows.values())
        if _rows(version, counted) <= known:
            return False
        HourlyBin.objects.filter(pk__in=rows).delete()
        HourlyBin.objects.create(version=version, hour=hour, counts=pack(counted))
    return True
