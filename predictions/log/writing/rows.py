"""Writing rows of the log without the ORM, column by column, counted in the same transaction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice, repeat
from typing import Any, Protocol

import numpy as np
import orjson
from django.db import DatabaseError, connection, transaction
from numpy.typing import NDArray

from clfsite.core.storage.database import dialect
from predictions.models import Prediction
from predictions.monitoring import counts

COLUMNS = (
    "id", "features", "label", "probability", "probabilities", "warnings", "row",
    "version_id", "latency_ms", "source", "caller", "batch_id", "request_id", "created_at", "reference",
    "activation_id",
)  # fmt: skip
# their values are JSON texts
JSON_COLUMNS = ("features", "probabilities", "warnings")
# rows; from here on COPY is faster than INSERT in PostgreSQL
ROWS_FOR_COPY = 100
# rows that PostgreSQL gets at once, and inserts while the next ones are written out
ROWS_OF_PIECE = 100
_TABLE = Prediction._meta.db_table
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_ROW = f"({', '.join(['%s'] * len(COLUMNS))})"
_INSERT = f"INSERT INTO {_TABLE} ({_NAMES}) VALUES "  # noqa: S608  names of our own
# of COPY's text format
NULL = r"\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


class Block(Protocol):
    """Predictions to log, in whatever form they are."""

    def __len__(self) -> int: ...

    @property
    def counted(self) -> counts.Counted:
        """The data for the counts by hour."""

    def values(self) -> Iterator[tuple[Any, ...]]:
        """The rows in the order of COLUMNS, with values for the database driver."""

    def lines(self) -> Iterator[bytes]:
        """The rows in COPY's text format, in the order of COLUMNS, in pieces."""


@dataclass(slots=True)
class LogRows:
    """Predictions to log, as parallel sequences with one item per row; see `Prediction` for the fields.

    Ids are texts with hyphens; features are JSON values; probabilities and warnings are JSON texts without white space
    between values; single values apply to all rows. `references` are None if no row has one. `places` returns those of all
    values among the bins of the version, see `training.ml.watch.bins`. The writer writes out the features and finds the
    places, mostly while the database inserts other rows.
    """

    ids: Sequence[str]
    features: Sequence[Mapping[str, Any]]
    labels: Sequence[str]
    probability: Sequence[float]
    probabilities: Sequence[str]
    warnings: Sequence[str]
    version_id: int
    latency_ms: float
    source: str
    caller: str
    created_at: datetime
    request_id: str | None = None
    references: Sequence[str | None] | None = None
    places: Callable[[], Sequence[int] | NDArray[np.intp]] = tuple
    activation_id: int | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def counted(self) -> counts.Counted:
        """The data for the counts by hour."""
        tenths = counts.tenths(self.labels, self.probability)
        return counts.Counted(
            self.created_at, self.version_id, self.source, self.latency_ms, tenths, self.places()
        )

    def values(self) -> Iterator[tuple[Any, ...]]:
        """The rows in the order of COLUMNS, with values for the database driver."""
        database = dialect()
        # all finite sequences are as long as the ids
        return zip(
            self.ids
            if database.features.has_native_uuid_field
            else [key.replace("-", "") for key in self.ids],
            map(_json, self.features),
            self.labels,
            self.probability,
            self.probabilities,
            self.warnings,
            repeat(None),
            repeat(self.version_id),
            repeat(self.latency_ms),
            repeat(self.source),
            repeat(self.caller),
            repeat(None),
            repeat(self.request_id),
            repeat(database.ops.adapt_datetimefield_value(self.created_at)),
            repeat(None) if self.references is None else self.references,
            repeat(self.activation_id),
            strict=False,
        )

    def lines(self) -> Iterator[bytes]:
        """The rows in COPY's text format, in the order of COLUMNS, in pieces."""
        labels = {label: escaped(label) for label in set(self.labels)}
        warnings = {warning: escaped(warning) for warning in set(self.warnings)}
        tail = (
            NULL,
            str(self.version_id),
            repr(self.latency_ms),
            self.source,
            escaped(self.caller),
            NULL,
            self.request_id or NULL,
            self.created_at.isoformat(),
        )
        rows = zip(
            self.ids,
            map(escaped_json, map(_json, self.features)),
            map(labels.__getitem__, self.labels),
            map(repr, self.probability),
            map(escaped_json, self.probabilities),
            map(warnings.__getitem__, self.warnings),
            repeat("\t".join(tail)),
            repeat(NULL) if self.references is None else map(nullable, self.references),
            repeat(NULL if self.activation_id is None else str(self.activation_id)),
            # the zip stops with the ids
            strict=False,
        )
        lines = map("\t".join, rows)
        while piece := "\n".join(islice(lines, ROWS_OF_PIECE)):
            yield f"{piece}\n".encode()


def write(blocks: Sequence[Block]) -> None:
    """Insert and count blocks of rows in the open transaction, or in a new one: all or none.

    Raises:
        IntegrityError: a row already exists. DatabaseError: the database is down or refuses a row.
    """
    rows = sum(map(len, blocks))
    if not rows:
        return
    if connection.vendor != "postgresql":
        _insert(blocks)
    elif rows < ROWS_FOR_COPY:
        with connection.cursor() as cursor:
            cursor.execute(*at_once(blocks))
    else:
        _copy(blocks)


def at_once(blocks: Sequence[Block]) -> tuple[str, list[Any]]:
    """Rows and counts as one message with all values, which PostgreSQL executes as one transaction if none is open.

    The rows are one value, a JSON array of objects, because the driver takes longer to write sixteen values for each row than
    PostgreSQL takes to read them from JSON.
    """
    rows = [dict(zip(COLUMNS, row, strict=True)) for block in blocks for row in block.values()]
    for row in rows:
        row.update({name: orjson.Fragment(row[name]) for name in JSON_COLUMNS})
    counting, values = _counting(blocks)
    return f"{_insert_of_json()}; {counting}", [orjson.dumps(rows).decode(), *values]


@cache
def _insert_of_json() -> str:
    """The statement that inserts rows from a JSON array of objects."""
    types = {field.column: field.db_type(dialect()) for field in Prediction._meta.concrete_fields}
    row = ", ".join(f'"{name}" {types[name]}' for name in COLUMNS)
    return f"INSERT INTO {_TABLE} ({_NAMES}) SELECT * FROM json_to_recordset(%s) AS row ({row})"  # noqa: S608  names of our own


def _insert(blocks: Sequence[Block]) -> None:
    # SQLite blocks other writers during a transaction, so everything is made before it
    rows, counting = [row for block in blocks for row in block.values()], _counting(blocks)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_INSERT + _ROW, rows)
        cursor.execute(*counting)


def _copy(blocks: Sequence[Block]) -> None:
    """Write blocks with COPY. A piece is written out, and all is counted, while PostgreSQL inserts the pieces before.

    With the text format, PostgreSQL inserts rows after each 64 KB; with the binary format, it would collect 1,000 rows
    first.
    """
    counting: list[Any] = []

    def pieces() -> Iterator[bytes]:
        for block in blocks:
            yield from block.lines()
        counting.extend(_counting(blocks))

    feed = _Feed(pieces())
    with transaction.atomic(), connection.cursor() as cursor:
        try:
            with connection.wrap_database_errors:
                cursor.copy_expert(f"COPY {_TABLE} ({_NAMES}) FROM STDIN", feed)
        except DatabaseError as error:
            # psycopg2 raises an error of the feed as one of the database
            if feed.error:
                raise feed.error from error
            raise
        cursor.execute(*counting)


def _counting(blocks: Sequence[Block]) -> tuple[str, list[Any]]:
    """The statement that counts blocks, with its values."""
    return counts.insertion(block.counted for block in blocks)


class _Feed:
    """The input of COPY."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.error: Exception | None = None

    def read(self, _size: int) -> bytes:
        """The next piece, of any size; empty at the end."""
        try:
            return next(self._pieces, b"")
        except Exception as error:
            self.error = error
            raise


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def nullable(text: str | None) -> str:
    return NULL if text is None else escaped(text)


def escaped_json(text: str) -> str:
    # JSON escapes tabs and line ends
    return text.replace("\\", r"\\")
