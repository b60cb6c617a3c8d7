"""Counts of predictions by bin: stored with the log, merged by hour, and read for a window.

`counts` of an `HourlyBin` are little-endian integers without signs. The first is the number of bytes of each further one: these
are the counts of all places, or, after a 0, pairs of 32 bits of those places that have any: the place and its count.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from numpy.typing import NDArray

from clfsite.core.storage.database import dialect
from predictions.models import HourlyBin, hour_of

_TABLE = HourlyBin._meta.db_table
_PAIR = np.dtype("<u4")
_HEAD = 4  # bytes
# bytes of a count, and the numbers that they can hold
_WIDTHS = (2, 4, 8)


class Binned(NamedTuple):
    """Logged predictions of a version with the places of their values; a place may occur many times."""

    created_at: datetime
    version_id: int
    places: Sequence[int] | NDArray[np.intp]


def pack(counts: NDArray[np.int64]) -> bytes:
    """Return counts of places as bytes, in the shorter form."""
    places = np.flatnonzero(counts)
    most = int(counts.max(initial=0))
    width = next(width for width in _WIDTHS if most < 256**width)
    if most >= 256**_PAIR.itemsize or len(places) * 2 * _PAIR.itemsize > len(counts) * width:
        return width.to_bytes(_HEAD, "little") + counts.astype(f"<u{width}").tobytes()
    pairs = np.stack([places, counts[places]], axis=1)
    return bytes(_HEAD) + pairs.astype(_PAIR).tobytes()


def unpack(data: bytes | memoryview, size: int) -> NDArray[np.int64]:
    """Return the counts of all places, shape (size,)."""
    width, counts = int.from_bytes(data[:_HEAD], "little"), np.zeros(size, dtype=np.int64)
    if width:
        dense = np.frombuffer(data, f"<u{width}", offset=_HEAD)
        counts[: len(dense)] = dense
    else:
        places, numbers = np.frombuffer(data, _PAIR, offset=_HEAD).reshape(-1, 2).T
        counts[places] = numbers
    return counts


def statements(blocks: Iterable[Binned]) -> list[tuple[str, list[Any]]]:
    """The statement that stores the bins of logged predictions, with its values; empty if there are none."""
    rows: list[Any] = []
    for (hour, version), places in _by_hour(blocks).items():
        counts = np.bincount(np.concatenate(places))
        rows += [dialect().ops.adapt_datetimefield_value(hour), version, pack(counts)]
    if not rows:
        return []
    values = ", ".join(["(%s, %s, %s)"] * (len(rows) // 3))
    return [(f"INSERT INTO {_TABLE} (hour, version_id, counts) VALUES {values}", rows)]  # noqa: S608  names of our own


def _by_hour(blocks: Iterable[Binned]) -> dict[tuple[datetime, int], list[Any]]:
    grouped: dict[tuple[datetime, int], list[Any]] = {}
    for created_at, version, places in blocks:
        if len(places):
            grouped.setdefault((hour_of(created_at), version), []).append(np.asarray(places, dtype=np.intp))
    return grouped


def merge(version: int, hour: datetime) -> None:
    """Replace the rows of a version's hour by one row with their sums."""
    with transaction.atomic():
        # rows that are committed meanwhile are left for later, and another process that merges finds none of these
        kept = HourlyBin.objects.filter(version=version, hour=hour).select_for_update()
        rows = dict(kept.values_list("pk", "counts"))
        if len(rows) > 1:
            HourlyBin.objects.filter(pk__in=rows).delete()
            total = _sum([bytes(counts) for counts in rows.values()])
            HourlyBin.objects.create(version_id=version, hour=hour, counts=pack(total))


def _sum(rows: Sequence[bytes]) -> NDArray[np.int64]:
    size = max(_reach(data) for data in rows)
    total = np.zeros(size, dtype=np.int64)
    for data in rows:
        total += unpack(data, size)
    return total


def _reach(data: bytes) -> int:
    """The number of places that packed counts need."""
    width = int.from_bytes(data[:_HEAD], "little")
    if width:
        return (len(data) - _HEAD) // width
    return int(np.frombuffer(data, _PAIR, offset=_HEAD)[::2].max(initial=0)) + 1


def merge_all(before: datetime | None = None) -> None:
    """Merge the rows of every past hour that has several."""
    over = before or timezone.now() - timedelta(minutes=1)
    several = HourlyBin.objects.filter(hour__lte=over).order_by().values_list("version", "hour")
    for version, hour, _ in list(several.annotate(rows=Count("pk")).filter(rows__gt=1)):
        merge(version, hour)


class Hours(NamedTuple):
    """The counts of a version by hour: `starts` of length (hours,), in order, and `counts` of shape (hours, size)."""

    starts: list[datetime]
    counts: NDArray[np.int64]

    def between(self, since: datetime, until: datetime) -> NDArray[np.int64]:
        """The sums of the hours that begin in [since, until), shape (size,)."""
        kept = [since <= start < until for start in self.starts]
        total: NDArray[np.int64] = self.counts[kept].sum(axis=0)
        return total


def read(version: int, size: int, since: datetime, until: datetime) -> Hours:
    """Read the counts of a version for the hours that begin in [since, until)."""
    rows = HourlyBin.objects.filter(version=version, hour__gte=since, hour__lt=until).order_by("hour")
    starts: list[datetime] = []
    counts: list[NDArray[np.int64]] = []
    for hour, data in rows.values_list("hour", "counts").iterator():
        unpacked = unpack(data, size)
        if starts and starts[-1] == hour:
            counts[-1] += unpacked
        else:
            starts.append(hour)
            counts.append(unpacked)
    return Hours(starts, np.array(counts, dtype=np.int64).reshape(len(starts), size))
