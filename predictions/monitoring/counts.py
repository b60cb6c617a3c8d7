"""Counts that are updated in the transactions of the log, so no page or metric has to count the log."""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from django.db import connection, transaction
from django.utils import timezone

from clfsite.core.storage.database import dialect
from predictions.models import HourlyCount, HourlyLatency, HourlyRefusal, hour_of

SHARDS = 8
# milliseconds; upper bounds of the latency buckets, three per power of ten; the last bucket has none
LATENCY_MS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
DECILES = 10

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
    """Counts by label and decile of logged predictions that are equal in all other columns."""

    created_at: datetime
    version_id: int
    source: str
    latency_ms: float
    tenths: Mapping[tuple[str, int], int]


def decile(probability: float) -> int:
    """The tenth of a probability, 0 to 9."""
    return min(int(probability * DECILES), DECILES - 1)


def tenths(labels: Iterable[str], probability: Iterable[float]) -> Counter[tuple[str, int]]:
    """The number of predictions by label and decile."""
    return Counter(zip(labels, map(decile, probability), strict=True))


def add(blocks: Iterable[Counted]) -> None:
    """Count logged predictions; call it in the transaction that logs them."""
    with connection.cursor() as cursor:
        execute(cursor, statements(blocks))


def execute(cursor: Any, counting: Sequence[tuple[str, list[Any]]]) -> None:
    """Execute statements, on PostgreSQL as one message."""
    if connection.vendor == "postgresql":
        cursor.execute(*joined(counting))
        return
    for statement, values in counting:
        cursor.execute(statement, values)


def joined(statements: Sequence[tuple[str, list[Any]]]) -> tuple[str, list[Any]]:
    """Statements as one message with all values, which PostgreSQL executes as one transaction if none is open."""
    return "; ".join(text for text, _ in statements), list(
        chain.from_iterable(values for _, values in statements)
    )


def statements(blocks: Iterable[Counted]) -> list[tuple[str, list[Any]]]:
    """The statements that count predictions, with their values; empty if there are none."""
    counts: Counter[tuple[Any, ...]] = Counter()
    latencies: Counter[tuple[Any, ...]] = Counter()
    shard = own_shard()
    for created_at, version, source, latency_ms, tenths in blocks:
        hour = hour_of(created_at)
        for (label, tenth), number in tenths.items():
            counts[hour, version, source, label, tenth, shard] += number
        latencies[hour, version, source, bisect_left(LATENCY_MS, latency_ms), shard] += sum(tenths.values())
    return [
        upsert(model, columns, counted)
        for (model, columns), counted in zip(_COUNTED, (counts, latencies), strict=True)
        if counted
    ]


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
    # always in the same order, because otherwise two writers can deadlock
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
