"""Counts of predictions by bin: packed, added up by hour, and read for a window.

Packed counts are little-endian integers without signs. The first is the number of bytes of each further one: these
are the counts of all places, or, after a 0, pairs of 32 bits of those places that have any: the place and its count. After a 1
follow places of 16 bits, each as often as it occurs.
"""

import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

import numpy as np
from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from numpy.typing import NDArray

from predictions.models import HourlyBin

_PLACE, _SHORT = np.dtype("<u4"), np.dtype("<u2")
_HEAD = 4  # bytes
_EACH = (1).to_bytes(_HEAD, "little")
# bytes of a count, and the numbers that they can hold
_WIDTHS = (2, 4, 8)
# places up to which they are not counted
_MOST_PLACES = 512


def pack(counts: NDArray[np.int64]) -> bytes:
    """Return counts of places as bytes, in the shorter form."""
    places = np.flatnonzero(counts)
    most = int(counts.max(initial=0))
    width = next(width for width in _WIDTHS if most < 256**width)
    if most >= 256**_PLACE.itemsize or len(places) * 2 * _PLACE.itemsize > len(counts) * width:
        return width.to_bytes(_HEAD, "little") + counts.astype(f"<u{width}").tobytes()
    pairs = np.stack([places, counts[places]], axis=1)
    return bytes(_HEAD) + pairs.astype(_PLACE).tobytes()


def pack_places(places: Iterable[Sequence[int] | NDArray[np.intp]]) -> bytes:
    """Return packed counts of places, each given as often as it occurs; empty if there are none."""
    held = [some for some in places if len(some)]
    count = sum(map(len, held))
    if not count:
        return b""
    if count <= _MOST_PLACES:
        # numpy takes longer to count so few
        with suppress(struct.error):
            return _EACH + struct.pack(f"<{count}H", *chain.from_iterable(held))
    return pack(np.bincount(np.concatenate([np.asarray(some, dtype=np.intp) for some in held])))


def unpack(data: bytes | memoryview, size: int) -> NDArray[np.int64]:
    """Return the counts of all places, shape (size,)."""
    width, counts = int.from_bytes(data[:_HEAD], "little"), np.zeros(size, dtype=np.int64)
    if data[:_HEAD] == _EACH:
        each = np.bincount(np.frombuffer(data, _SHORT, offset=_HEAD))
        counts[: len(each)] = each
    elif width:
        dense = np.frombuffer(data, f"<u{width}", offset=_HEAD)
        counts[: len(dense)] = dense
    else:
        places, numbers = np.frombuffer(data, _PLACE, offset=_HEAD).reshape(-1, 2).T
        counts[places] = numbers
    return counts


def add(version: int, hour: datetime, counted: Sequence[bytes] = ()) -> None:
    """Add packed counts to those of a version's hour, and leave one row of them."""
    with transaction.atomic():
        # rows that another process adds meanwhile are left for later, and if it merges these, it finds none of them
        kept = HourlyBin.objects.filter(version=version, hour=hour).select_for_update()
        rows = dict(kept.values_list("pk", "counts"))
        if counted or len(rows) > 1:
            HourlyBin.objects.filter(pk__in=rows).delete()
            total = _sum([*counted, *map(bytes, rows.values())])
            HourlyBin.objects.create(version_id=version, hour=hour, counts=pack(total))


def _sum(rows: Sequence[bytes]) -> NDArray[np.int64]:
    # those of places are many, one for each commit
    places = b"".join(data[_HEAD:] for data in rows if data.startswith(_EACH))
    others = [data for data in rows if not data.startswith(_EACH)]
    each = np.bincount(np.frombuffer(places, _SHORT))
    total = np.zeros(max([len(each), *map(_reach, others)]), dtype=np.int64)
    total[: len(each)] = each
    for data in others:
        total += unpack(data, len(total))
    return total


def _reach(data: bytes) -> int:
    """The number of places that packed counts of all places, or pairs, need."""
    width = int.from_bytes(data[:_HEAD], "little")
    if width:
        return (len(data) - _HEAD) // width
    return int(np.frombuffer(data, _PLACE, offset=_HEAD)[::2].max(initial=0)) + 1


def merge_all(before: datetime | None = None) -> None:
    """Merge the rows of every past hour that has several."""
    over = before or timezone.now() - timedelta(minutes=1)
    several = HourlyBin.objects.filter(hour__lte=over).order_by().values_list("version", "hour")
    for version, hour, _ in list(several.annotate(rows=Count("pk")).filter(rows__gt=1)):
        add(version, hour)


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
