"""Rows of the log as they are written: in bulk, past the ORM, with their hourly counts in the same transaction."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction

from predictions import counts
from predictions.models import Prediction

COLUMNS = (
    "id", "version_id", "features", "label", "probability", "probabilities", "warnings", "latency_ms", "source",
    "caller", "batch_id", "row", "created_at",
)  # fmt: skip
ROWS_PER_INSERT = 500
# from here on PostgreSQL takes COPY faster than INSERT
ROWS_FOR_COPY = 100
_TABLE = Prediction._meta.db_table
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_ROW = f"({', '.join(['%s'] * len(COLUMNS))})"
# what COPY's text format reads as something else
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(slots=True)
class Entry:
    """One answer on its way into the log; the fields are those of `Prediction`, the id as text."""

    id: str
    version_id: int
    features: dict[str, Any]
    label: str
    probability: float
    probabilities: dict[str, float]
    warnings: list[dict[str, Any]]
    latency_ms: float
    source: str
    caller: str
    created_at: datetime
    batch_id: int | None = None
    row: int | None = None

    @property
    def counted(self) -> counts.Counted:
        """What the hourly counts want to know."""
        return self.created_at, self.version_id, self.source, self.label, self.probability, self.latency_ms


def write(entries: Sequence[Entry]) -> None:
    """Insert and count in the open transaction, or in one of its own: all or none.

    Raises:
        DatabaseError: the database is away, or refuses a row.
    """
    if connection.vendor == "postgresql" and len(entries) < ROWS_FOR_COPY:
        _write_at_once(entries)
        return
    with transaction.atomic():
        (_copy if connection.vendor == "postgresql" else _insert)(entries)
        counts.add(entry.counted for entry in entries)


def _write_at_once(entries: Sequence[Entry]) -> None:
    """Send rows and counts as one message, which PostgreSQL takes as one transaction where none is open."""
    statements = [_statement(entries), *counts.statements(entry.counted for entry in entries)]
    with connection.cursor() as cursor:
        cursor.execute(
            "; ".join(statement for statement, _ in statements),
            [value for _, values in statements for value in values],
        )


def _insert(entries: Sequence[Entry]) -> None:
    with connection.cursor() as cursor:
        for first in range(0, len(entries), ROWS_PER_INSERT):
            cursor.execute(*_statement(entries[first : first + ROWS_PER_INSERT]))


def _copy(entries: Sequence[Entry]) -> None:
    lines = [
        "\t".join("\\N" if value is None else _text(value) for value in _values(entry)) for entry in entries
    ]
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {_TABLE} ({_NAMES}) FROM STDIN", io.StringIO("\n".join(lines)))


def _text(value: Any) -> str:
    """A value in COPY's text format."""
    return value.translate(_ESCAPES) if isinstance(value, str) else str(value)


def _statement(entries: Sequence[Entry]) -> tuple[str, list[Any]]:
    statement = f"INSERT INTO {_TABLE} ({_NAMES}) VALUES {', '.join([_ROW] * len(entries))}"  # noqa: S608  names of our own
    return statement, [value for entry in entries for value in _values(entry)]


def _values(entry: Entry) -> tuple[Any, ...]:
    """A row's values as the database takes them, in the order of COLUMNS."""
    return (
        entry.id if connection.features.has_native_uuid_field else entry.id.replace("-", ""), entry.version_id,
        _json(entry.features), entry.label, entry.probability, _json(entry.probabilities), _json(entry.warnings),
        entry.latency_ms, entry.source, entry.caller, entry.batch_id, entry.row,
        connection.ops.adapt_datetimefield_value(entry.created_at),
    )  # fmt: skip


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
