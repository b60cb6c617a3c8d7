"""How much space each kind of data takes, by day, and how much it will take."""

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.core.files.storage import storages
from django.db import OperationalError, connection

from clfsite.core.storage.files import SafeStorage, folder_bytes

# kinds with their tables; the others are the rest of the database
TABLES = {
    "predictions": ("predictions_prediction",),
    "feedback": ("predictions_feedback",),
    "counts": (
        "predictions_hourlycount",
        "predictions_hourlylatency",
        "predictions_feedbackcount",
    ),
    "batches": ("predictions_batch", "predictions_batchpart", "predictions_keptanswer"),
    "training": ("training_dataset", "training_run", "training_version"),
}
STORED = {"datasets": "dataset_files", "artifacts": "artifacts", "batches": "batch_files"}
TITLES = {
    "predictions": "Predictions",
    "feedback": "Feedback",
    "counts": "Hourly counts",
    "batches": "Batches and kept answers",
    "training": "Datasets, runs and versions",
    "database": "Other tables",
    "batch_files": "Files of batches",
    "artifacts": "Artifacts of versions",
    "dataset_files": "Datasets and uploads",
    "wandb": "Local folders of Weights & Biases",
    "temporary": "Temporary files",
}
# settings that limit a kind
LIMITS = {
    "predictions": "CLFSITE_KEEP_PREDICTIONS_DAYS",
    "feedback": "CLFSITE_KEEP_FEEDBACK_DAYS",
    "batch_files": "CLFSITE_KEEP_BATCH_FILES_DAYS",
    "artifacts": "CLFSITE_KEEP_ARTIFACTS_DAYS",
    "wandb": "CLFSITE_KEEP_WANDB_DAYS",
}
# days that a kind without a setting stays
FIXED_DAYS = {"temporary": 1}
# measurements that are kept, one a day
DAYS = 60
# days of the past from which growth is estimated, at most and at least
LONGEST_DAYS, SHORTEST_DAYS = 30, 0.9
AHEAD_DAYS = 30


@dataclass(frozen=True)
class Kind:
    """The space of one kind of data in bytes; `later` is the estimate for 30 days ahead, None if unknown."""

    name: str
    title: str
    size_bytes: int
    later: int | None
    days: int | None


def measure() -> dict[str, int]:
    """The bytes of each kind."""
    sizes = dict.fromkeys(TITLES, 0)
    sizes |= _tables()
    for name, kind in STORED.items():
        sizes[kind] = cast(SafeStorage, storages[name]).total_bytes()
    sizes["wandb"] = folder_bytes(settings.STATE_DIR / "wandb")
    sizes["temporary"] = folder_bytes(settings.FILE_UPLOAD_TEMP_DIR)
    return sizes


def history_with(
    history: Sequence[dict[str, Any]], sizes: dict[str, int], now: datetime
) -> list[dict[str, Any]]:
    """The history of measurements with a new one, which replaces another one of the same day."""
    earlier = [entry for entry in history if entry["at"][:10] != f"{now:%Y-%m-%d}"]
    return [*earlier[-DAYS + 1 :], {"at": now.isoformat(timespec="seconds"), "bytes": sizes}]


def kinds(history: Sequence[dict[str, Any]]) -> list[Kind]:
    """The kinds of the newest measurement, the largest first; none if nothing was measured."""
    if not history:
        return []
    newest = history[-1]
    listed = [
        Kind(
            name,
            title,
            newest["bytes"].get(name, 0),
            _later(history, name),
            int(getattr(settings, LIMITS[name])) if name in LIMITS else FIXED_DAYS.get(name),
        )
        for name, title in TITLES.items()
    ]
    return sorted(listed, key=lambda kind: -kind.size_bytes)


def _later(history: Sequence[dict[str, Any]], name: str) -> int | None:
    """Continue the growth since the oldest measurement of the last 30 days."""
    at = datetime.fromisoformat(history[-1]["at"])
    start = at - timedelta(days=LONGEST_DAYS)
    first = next(entry for entry in history if datetime.fromisoformat(entry["at"]) >= start)
    days = (at - datetime.fromisoformat(first["at"])).total_seconds() / timedelta(days=1).total_seconds()
    if days < SHORTEST_DAYS:
        return None
    now: int = history[-1]["bytes"].get(name, 0)
    growth: float = (now - first["bytes"].get(name, 0)) / days
    return max(round(now + growth * AHEAD_DAYS), 0)


def _tables() -> dict[str, int]:
    sizes = _sizes_postgresql() if connection.vendor == "postgresql" else _sizes_sqlite()
    known = {kind: sum(sizes.get(table, 0) for table in tables) for kind, tables in TABLES.items()}
    return {**known, "database": sum(sizes.values()) - sum(known.values())}


def _sizes_postgresql() -> dict[str, int]:
    """The bytes of each table with its indexes."""
    query = (
        "SELECT relname, pg_total_relation_size(oid) FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return dict(cursor.fetchall())


def _sizes_sqlite() -> dict[str, int]:
    """The bytes of each table with its indexes; those of the free pages and the journal count as other tables."""
    total = sum(
        size for suffix in ("", "-wal") if (size := _size(f"{connection.settings_dict['NAME']}{suffix}"))
    )
    query = (
        "SELECT master.tbl_name, SUM(pages.pgsize) FROM dbstat AS pages "
        "JOIN sqlite_master AS master ON master.name = pages.name WHERE pages.aggregate = TRUE GROUP BY master.tbl_name"
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            sizes = dict(cursor.fetchall())
    except (OperationalError, sqlite3.OperationalError):
        # SQLite was built without the table of pages
        sizes = _guessed(total)
    return {**sizes, "": max(total - sum(sizes.values()), 0)}


def _guessed(total: int) -> dict[str, int]:
    """Share the size of the file out by the number of rows."""
    rows = {
        model._meta.db_table: model._default_manager.count()
        for app in ("predictions", "training")
        for model in apps.get_app_config(app).get_models()
    }
    whole = max(sum(rows.values()), 1)
    return {table: total * count // whole for table, count in rows.items()}


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0
