"""Rows of a file to log, as columns of bytes: COPY gets them without a text or tuple for a row."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
import orjson
from django.db import connection
from numpy.typing import NDArray

from predictions.log.writing.rows import NULL, escaped, nullable
from predictions.models import Prediction
from predictions.monitoring import counts
from training.ml.files.cells.cells import HEAD, Cells
from training.ml.files.cells.joining import Piece, content, join

# hexadecimal digits at the end of an id, which are the number of the row
DIGITS = 8
# from here on to 1, Python and JSON write a number alike
_SMALL = 1e-4
_BACKSLASH, _TAB = b"\\", b"\t"


@dataclass(frozen=True)
class LogColumns:
    """Predictions of a file to log, with one item per row; see `Prediction` for the fields.

    Attributes:
        id_prefix: how all ids begin; the number of the row follows.
        features: JSON objects without white space between values, in pieces to join.
        classes, places: the labels in the order of the contract, and the place of each row's label among them.
        proba: shape (rows, classes).
        warnings, references: JSON texts, and the callers' own keys; None if no row has one.
        rows: positions in the batch.
        binned_at: the places of all values among the bins of the version, see `training.ml.watch.bins`.
    """

    id_prefix: str
    features: Sequence[Piece]
    classes: Sequence[str]
    places: NDArray[np.intp]
    proba: NDArray[np.float64]
    warnings: Sequence[str] | None
    rows: NDArray[np.int64]
    references: Sequence[str | None] | None
    version_id: int
    latency_ms: float
    caller: str
    batch_id: int
    created_at: datetime
    binned_at: NDArray[np.intp]
    activation_id: int | None = None
    source: str = Prediction.Source.CSV.value

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> list[Piece]:
        """The ids, in pieces to join."""
        digits = self.rows.astype(">u4").tobytes().hex().encode()
        starts = np.arange(len(self)) * DIGITS + len(HEAD)
        return [
            self.id_prefix.encode(),
            Cells(np.frombuffer(HEAD + digits, np.uint8), starts, starts + DIGITS),
        ]

    @property
    def labels(self) -> list[str]:
        """The labels as texts."""
        return [self.classes[place] for place in self.places.tolist()]

    @cached_property
    def shares(self) -> Cells:
        """All probabilities as texts, those of a row one after the other."""
        return _written(self.proba.ravel())

    @property
    def label_shares(self) -> Cells:
        """The probability of each row's label as text."""
        return self.shares.at(np.arange(len(self)) * len(self.classes) + self.places)

    @property
    def probabilities(self) -> list[Piece]:
        """JSON objects with the probabilities of all classes, in pieces to join."""
        pieces: list[Piece] = []
        for place, label in enumerate(self.classes):
            pieces += [(b"," if place else b"{") + orjson.dumps(label) + b":"]
            pieces += [self.shares[place :: len(self.classes)]]
        return [*pieces, b"}"]

    @property
    def probability(self) -> NDArray[np.float64]:
        """The probability of each row's label."""
        return self.proba[np.arange(len(self)), self.places]

    @property
    def counted(self) -> counts.Counted:
        """The data for the counts by hour."""
        tenths = np.minimum((self.probability * counts.DECILES).astype(np.intp), counts.DECILES - 1)
        table = np.bincount(self.places * counts.DECILES + tenths).tolist()
        numbers = {
            (self.classes[place // counts.DECILES], place % counts.DECILES): number
            for place, number in enumerate(table)
            if number
        }
        return counts.Counted(
            self.created_at, self.version_id, self.source, self.latency_ms, numbers, self.binned_at
        )

    def values(self) -> Iterator[tuple[Any, ...]]:
        """The rows in the order of COLUMNS, with values for the database driver."""
        ids = join(self.ids, len(self))
        return zip(
            ids if connection.features.has_native_uuid_field else [key.replace("-", "") for key in ids],
            join(self.features, len(self)),
            self.labels,
            self.probability.tolist(),
            join(self.probabilities, len(self)),
            repeat("[]") if self.warnings is None else self.warnings,
            self.rows.tolist(),
            repeat(self.version_id),
            repeat(self.latency_ms),
            repeat(self.source),
            repeat(self.caller),
            repeat(self.batch_id),
            repeat(None),
            repeat(connection.ops.adapt_datetimefield_value(self.created_at)),
            repeat(None) if self.references is None else self.references,
            repeat(self.activation_id),
            # the zip stops with the ids
            strict=False,
        )

    def lines(self) -> Iterator[bytes]:
        """The rows in COPY's text format, in the order of COLUMNS, in one piece."""
        same = "\t".join(
            (
                str(self.version_id),
                repr(self.latency_ms),
                self.source,
                escaped(self.caller),
                str(self.batch_id),
                NULL,
                self.created_at.isoformat(),
            )
        )
        pieces: list[Piece] = [
            *self.ids,
            _TAB,
            *_escaped_json(self.features),
            _TAB,
            Cells.of(map(escaped, self.classes)).at(self.places),
            _TAB,
            self.label_shares,
            _TAB,
            *_escaped_json(self.probabilities),
            _TAB,
            b"[]" if self.warnings is None else Cells.of(map(escaped, self.warnings)),
            _TAB,
            Cells.of_numbers(self.rows),
            f"\t{same}\t".encode(),
            NULL.encode() if self.references is None else Cells.of(map(nullable, self.references)),
            f"\t{NULL if self.activation_id is None else self.activation_id}".encode(),
        ]
        yield content(join(pieces, len(self)))


def _written(values: NDArray[np.float64]) -> Cells:
    """Return probabilities as Python writes them."""
    cells = Cells.of_numbers(values)
    small = np.flatnonzero((values < _SMALL) & (values > 0))
    return cells.replaced(small, map(repr, values[small].tolist())) if len(small) else cells


def _escaped_json(pieces: Iterable[Piece]) -> list[Piece]:
    """Escape JSON, in which tabs and line ends are escaped already."""
    pieces = list(pieces)
    data = {id(piece.data): piece.data for piece in pieces if isinstance(piece, Cells)}
    doubtful = {key for key, held in data.items() if (held == ord(_BACKSLASH)).any()}
    return [
        _escaped(piece, is_doubtful=isinstance(piece, Cells) and id(piece.data) in doubtful)
        for piece in pieces
    ]


def _escaped(piece: Piece, *, is_doubtful: bool) -> Piece:
    if isinstance(piece, bytes):
        return piece.replace(_BACKSLASH, _BACKSLASH * 2)
    if not is_doubtful or not piece.hold(ord(_BACKSLASH)):
        return piece
    return Cells.of(text.replace("\\", r"\\") for text in piece)
