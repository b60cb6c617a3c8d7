"""Counts kept up with the log, in its transactions, so that no page or metric ever reads the log to count it."""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from predictions.models import HourlyCount, HourlyLatency

SHARDS = 8
# upper bounds of the latency buckets in milliseconds, a third of a decade each; the last bucket has none
LATENCY_MS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
DECILES = 10

# (created_at, version, source, label, probability, latency in milliseconds) of one prediction
Counted = tuple[datetime, int, str, str, float, float]


def decile(probability: float) -> int:
    """The tenth that a probability lies in, 0 to 9."""
    return min(int(probability * DECILES), DECILES - 1)


def add(rows: Iterable[Counted]) -> None:
    """Count logged predictions; call it in the transaction that logs them."""
    with connection.cursor() as cursor:
        for statement, values in statements(rows):
            cursor.execute(statement, values)


def statements(rows: Iterable[Counted]) -> list[tuple[str, list[Any]]]:
    """The statements that count these predictions, each with its values; none for no rows."""
    counts: Counter[tuple[Any, ...]] = Counter()
    latencies: Counter[tuple[Any, ...]] = Counter()
    shard = os.getpid() % SHARDS
    for created_at, version, source, label, probability, latency_ms in rows:
        hour = created_at.replace(minute=0, second=0, microsecond=0)
        counts[hour, version, source, label, decile(probability), shard] += 1
        latencies[hour, version, source, bisect_left(LATENCY_MS, latency_ms), shard] += 1
    return [
        _upsert(model, columns, counted)
        for model, columns, counted in (
            (HourlyCount, ("hour", "version_id", "source", "label", "decile", "shard"), counts),
            (HourlyLatency, ("hour", "version_id", "source", "bucket", "shard"), latencies),
        )
        if counted
    ]


def _upsert(
    model: type[HourlyCount | HourlyLatency], columns: tuple[str, ...], counts: Mapping[tuple[Any, ...], int]
) -> tuple[str, list[Any]]:
    """One statement that adds to all these counters; the same on PostgreSQL and SQLite."""
    table = model._meta.db_table
    row = f"({', '.join(['%s'] * (len(columns) + 1))})"
    statement = (
        f"INSERT INTO {table} ({', '.join(columns)}, predictions) VALUES {', '.join([row] * len(counts))} "  # noqa: S608  names of our own
        f"ON CONFLICT ({', '.join(columns)}) DO UPDATE SET predictions = {table}.predictions + excluded.predictions"
    )
    # in the same order everywhere, so that two writers wait for each other instead of locking each other out
    values = []
    for key in sorted(counts):
        hour, *rest = key
        values += [connection.ops.adapt_datetimefield_value(hour), *rest, counts[key]]
    return statement, values
