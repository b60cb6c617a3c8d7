"""Counts of the log by hour, so no page or metric has to count the log.

Each commit of the log adds a `CommitCount`, which `collect` moves into the counts by hour.
"""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import orjson
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from numpy.typing import NDArray

from clfsite.core.storage.database import dialect
from predictions.models import CommitCount, HourlyCount, HourlyLatency, HourlyRefusal, hour_of
from predictions.monitoring import bins

SHARDS = 8
# commits that are collected in one transaction
PIECE = 1_000
# milliseconds; upper bounds of the latency buckets, three per power of ten; the last bucket has none
LATENCY_MS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
DECILES = 10

_TABLE = CommitCount._meta.db_table
_COLUMNS = ("hour", "version_id", "source", "labels", "latencies", "bins")
_NAMES = ", ".join(_COLUMNS)

Sharded: TypeAlias = type[HourlyCount | HourlyLatency | HourlyRefusal]
_COUNTED: tuple[tuple[Sharded, tuple[str, ...]], ...] = (
    (HourlyCount, ("hour", "version_id", "source", "label", "decile", "shard")),
    (HourlyLatency, ("hour", "version_id", "source", "bucket", "shard")),
)
SHARDED: tuple[tuple[Sharded, tuple[str, ...]], ...] = (
    *_COUNTED,
    (HourlyRefusal, ("hour", "version_id", "code", "shard")),
)


class Counted(NamedTuple):
    """Logged predictions of the same time, version, source and latency: their counts by label and decile, and the places of
    their values among the bins of the version, which may occur many times.
    """

    created_at: datetime
    version_id: int
    source: str
    latency_ms: float
    tenths: Mapping[tuple[str, int], int]
    places: Sequence[int] | NDArray[np.intp] = ()


def decile(probability: float) -> int:
    """The tenth of a probability, 0 to 9."""
    return min(int(probability * DECILES), DECILES - 1)


def tenths(labels: Iterable[str], probability: Iterable[float]) -> dict[tuple[str, int], int]:
    """The number of predictions by label and decile."""
    counted: dict[tuple[str, int], int] = {}
    for kind in zip(labels, map(decile, probability), strict=True):
        counted[kind] = counted.get(kind, 0) + 1
    return counted


def insertion(blocks: Iterable[Counted]) -> tuple[str, list[Any]]:
    """The statement that counts logged predictions, with its values; for the transaction that logs them."""
    grouped: dict[tuple[datetime, int, str], list[Counted]] = {}
    for block in blocks:
        grouped.setdefault((hour_of(block.created_at), block.version_id, block.source), []).append(block)
    values: list[Any] = []
    for (hour, version, source), counted in grouped.items():
        labels: dict[tuple[str, int], int] = {}
        latencies: dict[int, int] = {}
        for block in counted:
            bucket = bisect_left(LATENCY_MS, block.latency_ms)
            for kind, number in block.tenths.items():
                labels[kind] = labels.get(kind, 0) + number
                latencies[bucket] = latencies.get(bucket, 0) + number
        values += [
            dialect().ops.adapt_datetimefield_value(hour),
            version,
            source,
            orjson.dumps([(*kind, number) for kind, number in labels.items()]).decode(),
            orjson.dumps(list(latencies.items())).decode(),
            bins.pack_places(block.places for block in counted),
        ]
    rows = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(grouped))
    return f"INSERT INTO {_TABLE} ({_NAMES}) VALUES {rows}", values  # noqa: S608  names of our own


def add(blocks: Iterable[Counted]) -> None:
    """Count predictions by hour, at once."""
    with connection.cursor() as cursor:
        cursor.execute(*insertion(blocks))
    collect()


def collect() -> None:
    """Move the counts of all commits into the counts by hour.

    Raises:
        DatabaseError: the database did not store them; they stay where they are.
    """
    while CommitCount.objects.exists():
        with transaction.atomic():
            # another process that collects waits here, and then does not find these rows
            waiting = CommitCount.objects.order_by("pk").select_for_update()[:PIECE]
            rows = list(waiting.values_list("pk", *_COLUMNS))
            _add_up([row[1:] for row in rows])
            CommitCount.objects.filter(pk__in=[row[0] for row in rows]).delete()
        if len(rows) < PIECE:
            return


def bring_up_to_date() -> None:
    """Collect before counts by hour are read; a database that takes no changes has those of half a second ago."""
    with suppress(DatabaseError):
        collect()


def _add_up(rows: Iterable[tuple[Any, ...]]) -> None:
    """Add the columns of commits to the counts by hour."""
    counts: Counter[tuple[Any, ...]] = Counter()
    latencies: Counter[tuple[Any, ...]] = Counter()
    packed: dict[tuple[int, datetime], list[bytes]] = {}
    shard = own_shard()
    for hour, version, source, labels, buckets, binned in rows:
        for label, tenth, number in labels:
            counts[hour, version, source, label, tenth, shard] += number
        for bucket, number in buckets:
            latencies[hour, version, source, bucket, shard] += number
        if binned:
            packed.setdefault((version, hour), []).append(bytes(binned))
    with connection.cursor() as cursor:
        for (model, columns), counted in zip(_COUNTED, (counts, latencies), strict=True):
            if counted:
                cursor.execute(*upsert(model, columns, counted))
    # always in the same order, because otherwise two processes can deadlock
    for (version, hour), added in sorted(packed.items()):
        bins.add(version, hour, added)


def own_shard() -> int:
    """The shard of this process."""
    return os.getpid() % SHARDS


def upsert(
    model: Sharded, columns: tuple[str, ...], counts: Mapping[tuple[Any, ...], int]
) -> tuple[str, list[Any]]:
    """One statement that adds to all these counters; the same on PostgreSQL and SQLite."""
    table = model._meta.db_table
    row = f"({', '.join(['%s'] * (len(columns) + 1))})"
    statement = (
        f"INSERT INTO {table} ({', '.join(columns)}, predictions) VALUES {', '.join([row] * len(counts))} "  # noqa: S608  names of our own
        f"ON CONFLICT ({', '.join(columns)}) DO UPDATE SET predictions = {table}.predictions + excluded.predictions"
    )
    # always in the same order, because otherwise two processes can deadlock
    values, adapted = [], dialect().ops.adapt_datetimefield_value
    for key in sorted(counts):
        hour, *rest = key
        values += [adapted(hour), *rest, counts[key]]
    return statement, values


def fold(before: datetime | None = None) -> None:
    """Merge the shards of past hours, which are no longer written, so readers have fewer rows to sum."""
    over = before or timezone.now() - timedelta(hours=2)
    for model, columns in SHARDED:
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in _folding(model, columns):
                cursor.execute(statement, [connection.ops.adapt_datetimefield_value(over)])


def _folding(model: Sharded, columns: tuple[str, ...]) -> list[str]:
    """The statements that merge all shards into the first; their parameter is the time limit."""
    table, kept = model._meta.db_table, ", ".join(columns[:-1])
    summed = f"SELECT {kept}, 0, SUM(predictions) FROM {{source}} GROUP BY {kept}"  # noqa: S608  names of our own
    into = f"INSERT INTO {table} ({kept}, shard, predictions) "
    added = f" ON CONFLICT ({', '.join(columns)}) DO UPDATE SET predictions = {table}.predictions + excluded.predictions"
    where = "WHERE hour < %s AND shard > 0"
    if connection.vendor == "postgresql":
        # in one statement, so a concurrent update is either merged or kept
        gone = f"WITH gone AS (DELETE FROM {table} {where} RETURNING *) "  # noqa: S608  names of our own
        return [gone + into + summed.format(source="gone") + added]
    sums = summed.format(source=f"(SELECT * FROM {table} {where})")  # noqa: S608  names of our own
    return [into + sums + added, f"DELETE FROM {table} {where}"]  # noqa: S608


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """The quantile of the latency in ms, interpolated within a bucket; None if there are no predictions."""
    rank = share * sum(buckets.values())
    below = 0
    for bucket, count in sorted(buckets.items()):
        if count and below + count >= rank:
            low = LATENCY_MS[bucket - 1] if bucket else 0.0
            high = LATENCY_MS[bucket] if bucket < len(LATENCY_MS) else low
            return low + (high - low) * (rank - below) / count
        below += count
    return None
