"""Rows of a file by column are written to the log as the same rows by row."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from predictions.log.writing.columns import LogColumns
from predictions.log.writing.rows import COLUMNS, LogRows
from training.ml.files.cells.cells import Cells
from training.ml.files.cells.joining import Piece

PREFIX = "0190a1b2-c3d4-7e5f-8a9b-0c1d"
CLASSES = ("no\ttab", "a \\ back", "\u20ac")
PROBA = np.array([[0.25, 0.5, 0.25], [1e-5, 0.99998, 1e-5], [0.0, 0.0, 1.0]])
WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
FEATURES: list[dict[str, Any]] = [{"a": "\\", "b": 1.5}, {"a": "x", "b": None}, {"a": "\t", "b": -3}]
BATCH, NUMBERS = 9, [0, 15, 4_000_000_000]
# of the columns that only rows of a file have
ROW, BATCH_ID = COLUMNS.index("row"), COLUMNS.index("batch_id")


def pair(warnings: list[str] | None, references: list[str | None] | None) -> tuple[LogColumns, LogRows]:
    places = np.array([1, 1, 2])
    same: dict[str, Any] = {
        "version_id": 3,
        "latency_ms": 0.5,
        "caller": "a\\b",
        "created_at": WHEN,
        "activation_id": 4,
    }
    features: list[Piece] = [
        b'{"a":',
        Cells.of(['"\\\\"', '"x"', '"\\t"']),
        b',"b":',
        Cells.of(["1.5", "null", "-3"]),
        b"}",
    ]
    columns = LogColumns(
        id_prefix=f"{PREFIX}",
        features=features,
        classes=CLASSES,
        places=places,
        proba=PROBA,
        warnings=warnings,
        rows=np.array(NUMBERS),
        references=references,
        binned_at=np.array([1, 2]),
        batch_id=BATCH,
        **same,
    )
    rows = LogRows(
        ids=[f"{PREFIX}{row:08x}" for row in NUMBERS],
        features=FEATURES,
        labels=[CLASSES[place] for place in places],
        probability=[0.5, 0.99998, 1.0],
        probabilities=[
            f'{{"no\\ttab":{row[0]!r},"a \\\\ back":{row[1]!r},"\u20ac":{row[2]!r}}}'
            for row in PROBA.tolist()
        ],
        warnings=warnings or ["[]"] * 3,
        references=references,
        source="csv",
        places=lambda: [1, 2],
        **same,
    )
    return columns, rows


@pytest.mark.parametrize("warnings", [None, ["[]", '[{"code":"\\n"}]', "[]"]], ids=["plain", "warned"])
@pytest.mark.parametrize("references", [None, ["one", None, "t\\o"]], ids=["without", "named"])
def test_columns_are_written_as_rows_are(
    warnings: list[str] | None, references: list[str | None] | None
) -> None:
    columns, rows = pair(warnings, references)
    written = [line.split(b"\t") for line in b"".join(rows.lines()).split(b"\n")[:-1]]
    values = [list(row) for row in rows.values()]
    for number, line, row in zip(NUMBERS, written, values, strict=True):
        line[ROW], line[BATCH_ID] = str(number).encode(), str(BATCH).encode()
        row[ROW], row[BATCH_ID] = number, BATCH
    assert b"".join(columns.lines()) == b"".join(b"\t".join(line) + b"\n" for line in written)
    assert [list(row) for row in columns.values()] == values
    assert columns.counted[:-1] == rows.counted[:-1]
    assert columns.labels == rows.labels
    assert len(columns) == len(rows)
    np.testing.assert_array_equal(columns.counted.places, rows.counted.places)
