"""Rows of the log as they are written: in bulk, past the ORM, with their hourly counts in the same transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
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
ROWS_PER_READ = 50
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
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {_TABLE} ({_NAMES}) FROM STDIN", _Feed(entries))


class _Feed:
    """What COPY reads: lines that are written while PostgreSQL works on those before."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._chunks = self._write(entries)

    def read(self, _size: int) -> bytes:
        """The next lines, nothing at the end."""
        return next(self._chunks, b"")

    @staticmethod
    def _write(entries: Sequence[Entry]) -> Iterator[bytes]:
        for first in range(0, len(entries), ROWS_PER_READ):
            yield b"".join(map(_line, entries[first : first + ROWS_PER_READ]))


def _line(entry: Entry) -> bytes:
    """A row in COPY's text format, in the order of COLUMNS."""
    return b"%b\t%b\t%b\t%b\t%b\t%b\t%b\t%b\t%b\t%b\t%b\t%b\t%b\n" % (
        entry.id.encode(), _cell(entry.version_id), _json_cell(entry.features), _cell(entry.label),
        repr(entry.probability).encode(), _json_cell(entry.probabilities), _json_cell(entry.warnings),
        repr(entry.latency_ms).encode(), _cell(entry.source), _cell(entry.caller), _cell(entry.batch_id),
        _cell(entry.row), _cell(entry.created_at),
    )  # fmt: skip


@lru_cache(1_024)
def _cell(value: str | int | datetime | None) -> bytes:
    """A value in COPY's text format; most stand in many rows."""
    return b"\\N" if value is None else str(value).translate(_ESCAPES).encode()


def _json_cell(value: Any) -> bytes:
    # JSON writes line ends and tabs as letters behind a backslash
    return orjson.dumps(value).replace(b"\\", b"\\\\")


def _statement(entries: Sequence[Entry]) -> tuple[str, list[Any]]:
    """The statement that inserts rows, and its values as the database takes them."""
    has_uuids, moment = connection.features.has_native_uuid_field, connection.ops.adapt_datetimefield_value
    values: list[Any] = []
    for entry in entries:
        values += (
            entry.id if has_uuids else entry.id.replace("-", ""), entry.version_id, _json(entry.features),
            entry.label, entry.probability, _json(entry.probabilities), _json(entry.warnings),
            entry.latency_ms, entry.source, entry.caller, entry.batch_id, entry.row, moment(entry.created_at),
        )  # fmt: skip
    return f"INSERT INTO {_TABLE} ({_NAMES}) VALUES {', '.join([_ROW] * len(entries))}", values  # noqa: S608  names of our own


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
