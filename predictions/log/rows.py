"""Writing rows of the log without the ORM, column by column, with the hourly counts in the same transaction."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from predictions.models import Prediction
from predictions.monitoring import bins, counts

COLUMNS = (
    "id", "features", "label", "probability", "probabilities", "warnings", "row",
    "version_id", "latency_ms", "source", "caller", "batch_id", "request_id", "created_at", "reference",
    "activation_id",
)  # fmt: skip
# rows; from here on COPY is faster than INSERT in PostgreSQL
ROWS_FOR_COPY = 100
_TABLE = Prediction._meta.db_table
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_ROW = f"({', '.join(['%s'] * len(COLUMNS))})"
_INSERT = f"INSERT INTO {_TABLE} ({_NAMES}) VALUES "  # noqa: S608  names of our own
# of COPY's text format
NULL = r"\N"
_Counts: TypeAlias = tuple[counts.Counted, bins.Binned]
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


class Block(Protocol):
    """Predictions to log, in whatever form they are."""

    def __len__(self) -> int: ...

    @property
    def counted(self) -> counts.Counted:
        """The data for the hourly counts."""

    @property
    def binned(self) -> bins.Binned:
        """The data for the counts by bin."""

    def values(self) -> Iterator[tuple[Any, ...]]:
        """The rows in the order of COLUMNS, with values for the database driver."""

    def lines(self) -> bytes:
        """The rows in COPY's text format, in the order of COLUMNS."""


@dataclass(slots=True)
class LogRows:
    """Predictions to log, as parallel sequences with one item per row; see `Prediction` for the fields.

    Ids are texts with hyphens; features, probabilities and warnings are JSON texts without white space
    between values; single values apply to all rows. `rows` are positions in a batch; `references` are None
    if no row has one. `places` are those of all values among the bins of the version, see `training.ml.watch.bins`.
    """

    ids: Sequence[str]
    features: Sequence[str]
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
    batch_id: int | None = None
    rows: Sequence[int] | None = None
    references: Sequence[str | None] | None = None
    places: Sequence[int] | NDArray[np.intp] = ()
    activation_id: int | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def counted(self) -> counts.Counted:
        """The data for the hourly counts."""
        tenths = counts.tenths(self.labels, self.probability)
        return counts.Counted(self.created_at, self.version_id, self.source, self.latency_ms, tenths)

    @property
    def binned(self) -> bins.Binned:
        """The data for the counts by bin."""
        return bins.Binned(self.created_at, self.version_id, self.places)

    def values(self) -> Iterator[tuple[Any, ...]]:
        """The rows in the order of COLUMNS, with values for the database driver."""
        has_uuids = connection.features.has_native_uuid_field
        # all finite sequences are as long as the ids
        return zip(
            self.ids if has_uuids else [key.replace("-", "") for key in self.ids],
            self.features,
            self.labels,
            self.probability,
            self.probabilities,
            self.warnings,
            repeat(None) if self.rows is None else self.rows,
            repeat(self.version_id),
            repeat(self.latency_ms),
            repeat(self.source),
            repeat(self.caller),
            repeat(self.batch_id),
            repeat(self.request_id),
            repeat(connection.ops.adapt_datetimefield_value(self.created_at)),
            repeat(None) if self.references is None else self.references,
            repeat(self.activation_id),
            strict=False,
        )

    def lines(self) -> bytes:
        """The rows in COPY's text format, in the order of COLUMNS."""
        labels = {label: escaped(label) for label in set(self.labels)}
        warnings = {warning: escaped(warning) for warning in set(self.warnings)}
        batch = NULL if self.batch_id is None else str(self.batch_id)
        request = self.request_id or NULL
        tail = (
            str(self.version_id),
            repr(self.latency_ms),
            self.source,
            escaped(self.caller),
            batch,
            request,
        )
        rows = zip(
            self.ids,
            map(escaped_json, self.features),
            map(labels.__getitem__, self.labels),
            map(repr, self.probability),
            map(escaped_json, self.probabilities),
            map(warnings.__getitem__, self.warnings),
            repeat(NULL) if self.rows is None else map(str, self.rows),
            repeat("\t".join((*tail, self.created_at.isoformat()))),
            repeat(NULL) if self.references is None else map(nullable, self.references),
            repeat(NULL if self.activation_id is None else str(self.activation_id)),
            # the zip stops with the ids
            strict=False,
        )
        return "".join([f"{line}\n" for line in map("\t".join, rows)]).encode()


class Parts:
    """The rows of one call in parts. Each part is made on demand: the database writes one while the next is
    made.

    A second iteration, for example after a failed commit, returns the same parts.
    """

    def __init__(self, count: int, parts: Iterable[LogRows]) -> None:
        """Take the total number of rows, and the parts, which only one thread at a time may request."""
        self._count = count
        self._coming = iter(parts)
        self._made: list[LogRows] = []
        self.error: Exception | None = None

    @classmethod
    def of(cls, *made: LogRows) -> Self:
        """Create from finished parts."""
        return cls(sum(map(len, made)), made)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[LogRows]:
        yield from self._made
        while part := self._next():
            yield part

    def _next(self) -> LogRows | None:
        # a failed iterator stops when it is used again, which must not look like the end of the parts
        if self.error:
            raise self.error
        try:
            part = next(self._coming, None)
        except Exception as error:
            self.error = error
            raise
        if part:
            self._made.append(part)
        return part


def write(blocks: Iterable[Block], count: int) -> None:
    """Insert and count blocks of rows in the open transaction, or in a new one: all or none.

    Raises:
        IntegrityError: a row already exists. DatabaseError: the database is down or refuses a row, or a block
        could not be made.
    """
    if not count:
        return
    if connection.vendor == "postgresql" and count < ROWS_FOR_COPY:
        _write_at_once(list(blocks))
        return
    # SQLite blocks other writers during a transaction, so everything is made before it
    store, blocks = (_copy, blocks) if connection.vendor == "postgresql" else (_insert, list(blocks))
    with transaction.atomic():
        _count(store(blocks))


def _write_at_once(blocks: Sequence[Block]) -> None:
    """Send rows and counts as one message, which PostgreSQL executes as one transaction if none is open."""
    rows = [row for block in blocks for row in block.values()]
    statements = [
        (_INSERT + ", ".join([_ROW] * len(rows)), list(chain.from_iterable(rows))),
        *_counting([(block.counted, block.binned) for block in blocks]),
    ]
    with connection.cursor() as cursor:
        cursor.execute(*counts.joined(statements))


def _counting(blocks: Sequence[_Counts]) -> list[tuple[str, list[Any]]]:
    """The statements that count blocks by hour and by bin."""
    return [
        *counts.statements(counted for counted, _ in blocks),
        *bins.statements(binned for _, binned in blocks),
    ]


def _count(blocks: Sequence[_Counts]) -> None:
    with connection.cursor() as cursor:
        counts.execute(cursor, _counting(blocks))


def _insert(blocks: Iterable[Block]) -> list[_Counts]:
    counted = []
    with connection.cursor() as cursor:
        for block in blocks:
            cursor.executemany(_INSERT + _ROW, list(block.values()))
            counted.append((block.counted, block.binned))
    return counted


def _copy(blocks: Iterable[Block]) -> list[_Counts]:
    counted: list[_Counts] = []
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {_TABLE} ({_NAMES}) FROM STDIN", _Feed(_stream(blocks, counted)))
    return counted


class _Feed:
    """The input of COPY."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, _size: int) -> bytes:
        """The next chunk, of any size; empty at the end."""
        return next(self._chunks, b"")


def _stream(blocks: Iterable[Block], counted: list[_Counts]) -> Iterator[bytes]:
    """Blocks in COPY's text format. Each block is counted, and the next one made, while PostgreSQL reads the
    previous one.

    With the text format, PostgreSQL inserts rows after each 64 KB; with the binary format, it would collect
    1,000 rows first. A block is sent in one piece, because this thread has to wait for the interpreter for
    each further piece.
    """
    for block in blocks:
        yield block.lines()
        counted.append((block.counted, block.binned))


def escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def nullable(text: str | None) -> str:
    return NULL if text is None else escaped(text)


def escaped_json(text: str) -> str:
    # JSON escapes tabs and line ends
    return text.replace("\\", r"\\")
