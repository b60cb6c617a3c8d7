"""Thousands of rows of one batch on their way into the log: column by column, past the entries of single requests."""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat

from django.db import connection

from predictions import counts
from predictions.models import Prediction

COLUMNS = (
    "id", "features", "label", "probability", "probabilities", "warnings", "row",
    "version_id", "latency_ms", "source", "caller", "batch_id", "created_at",
)  # fmt: skip
_TABLE = Prediction._meta.db_table
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
# what COPY's text format reads as something else
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True)
class Scored:
    """Answered rows as parallel sequences; features, probabilities and warnings are JSON texts, ids have hyphens."""

    ids: Sequence[str]
    features: Sequence[str]
    labels: Sequence[str]
    probability: Sequence[float]
    probabilities: Sequence[str]
    warnings: Sequence[str]
    rows: Sequence[int]
    version_id: int
    batch_id: int
    caller: str
    created_at: datetime
    latency_ms: float
    source: str = Prediction.Source.CSV


def write(scored: Scored) -> None:
    """Insert and count in the open transaction.

    Raises:
        IntegrityError: a row is in the log already. DatabaseError: the database is away.
    """
    if not scored.ids:
        return
    (_copy if connection.vendor == "postgresql" else _insert)(scored)
    counted = Counter(zip(scored.labels, map(counts.decile, scored.probability), strict=True))
    counts.add_alike(
        counted,
        created_at=scored.created_at,
        version=scored.version_id,
        source=scored.source,
        latency_ms=scored.latency_ms,
    )


def _copy(scored: Scored) -> None:
    labels = {label: label.translate(_ESCAPES) for label in set(scored.labels)}
    constant = [scored.version_id, scored.latency_ms, scored.source, scored.caller, scored.batch_id]
    tail = "\t".join([*(str(value).translate(_ESCAPES) for value in constant), str(scored.created_at)])
    line = "%s\t" * 7 + tail.replace("%", "%%")
    columns = (
        scored.ids,
        _escaped(scored.features),
        list(map(labels.__getitem__, scored.labels)),
        scored.probability,
        _escaped(scored.probabilities),
        _escaped(scored.warnings),
        scored.rows,
    )
    content = "\n".join([line % row for row in zip(*columns, strict=True)]).encode()
    with connection.cursor() as cursor:
        # in one piece: for each further one this thread would wait for the interpreter, which the scoring holds
        cursor.copy_expert(f"COPY {_TABLE} ({_NAMES}) FROM STDIN", io.BytesIO(content), size=len(content) + 1)


def _escaped(texts: Sequence[str]) -> Sequence[str]:
    """JSON texts in COPY's text format; JSON itself writes tabs and line ends with a backslash."""
    return [text.replace("\\", "\\\\") for text in texts] if any("\\" in text for text in texts) else texts


def _insert(scored: Scored) -> None:
    rows = zip(
        (text.replace("-", "") for text in scored.ids),
        scored.features,
        scored.labels,
        scored.probability,
        scored.probabilities,
        scored.warnings,
        scored.rows,
        repeat(scored.version_id),
        repeat(scored.latency_ms),
        repeat(scored.source),
        repeat(scored.caller),
        repeat(scored.batch_id),
        repeat(connection.ops.adapt_datetimefield_value(scored.created_at)),
        strict=False,
    )
    marks = ", ".join(["%s"] * len(COLUMNS))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {_TABLE} ({_NAMES}) VALUES ({marks})", list(rows))  # noqa: S608  names of our own
