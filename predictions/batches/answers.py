"""The predictions for a block of a file: as rows of the log, as CSV, and as counts for the charts.

They only depend on the file, the version and the batch's row, so a repeated block gives the same result.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from clfsite.core.web import csv_output
from predictions.batches import counts as batch_counts
from predictions.batches.check import check_block
from predictions.batches.models import Batch
from predictions.log.writing.build import log_columns, write_warnings
from predictions.log.writing.columns import LogColumns
from predictions.serving import metrics
from predictions.serving.live_models import Live
from training.ml.files.blocks import Block
from training.ml.files.cells.cells import Cells
from training.ml.files.cells.joining import Piece, content, join
from training.ml.judge.sets import are_in_set
from training.ml.tables.checks import Checked
from training.ml.tables.contract import Contract, Kind

COMMA = b","


@dataclass(frozen=True)
class Answers:
    """The predictions for one block.

    Attributes:
        rows: number of rows of the file, including those that were not scored.
        content: its part of the result file in UTF-8; the first part starts with the header.
        unseen: the codes of its warnings.
    """

    rows: int
    content: bytes
    log_rows: LogColumns
    counts: dict[str, Any]
    unseen: list[str]


def own_columns(batch: Batch, contract: Contract) -> dict[str, str]:
    """The site's columns of a result, which precede those of the file, with their names."""
    has_rows = _has_rows(batch)
    columns = [
        "prediction_id",
        *(["row"] if has_rows else []),
        "label",
        "probability",
        *(f"probability_{label}" for label in contract.classes),
        *(["set"] if _set_level(batch) else []),
        *(["warnings"] if has_rows else []),
    ]
    return dict(zip(columns, csv_output.beside(columns, batch.header), strict=True))


class Answerer:
    """Predicts the blocks of a batch's file with one version."""

    def __init__(self, batch: Batch, live: Live, *, delimiter: str, since: datetime) -> None:
        self._batch, self._live, self._since = batch, live, since
        self._is_comma = delimiter.encode() == COMMA
        self._header: list[str] = batch.header
        self._notations = batch.notations
        self._has_rows = _has_rows(batch)
        self._groups = batch_counts.charted(live.contract)
        self._least = batch.version.least_probabilities(_set_level(batch))
        classes = live.contract.classes
        self._labels = Cells.of(csv_output.lines([label] for label in classes))

    def answer(self, block: Block) -> Answers:
        """Predict the valid rows of a block."""
        contract, began = self._live.contract, time.perf_counter()
        checked, taken = check_block(
            block,
            self._header,
            contract,
            strict=self._batch.refuses_unseen,
            notations=self._notations,
        )
        good = np.flatnonzero(checked.accepted())
        arrays = checked.accepted_arrays()
        proba = (
            self._live.loaded.score_arrays(arrays, len(good))[1]
            if len(good)
            else np.empty((0, len(contract.classes)))
        )
        places = self._live.loaded.decision.places(proba)
        seconds = time.perf_counter() - began
        metrics.step("score", seconds, self._live.classifier)
        logged = log_columns(
            self._live,
            self._batch,
            rows=np.asarray(block.kept, dtype=np.int64)[good],
            features=checked.records(),
            values=arrays,
            places=places,
            proba=proba,
            warnings=self._warnings(checked, good),
            seconds=seconds / max(len(good), 1),
            created_at=self._since,
            references=[taken.values[row] for row in good.tolist()] if taken else None,
        )
        return Answers(
            rows=block.rows,
            content=self._content(block, checked, logged, good, self._sets(proba)),
            log_rows=logged,
            counts=batch_counts.count(contract, self._groups, arrays, places, proba),
            unseen=[problem.code for warned in checked.warnings.values() for problem in warned],
        )

    def _warnings(self, checked: Checked, good: NDArray[np.intp]) -> list[str] | None:
        """The warnings of the valid rows as JSON texts; None if there are none."""
        if not checked.warnings:
            return None
        texts = write_warnings(checked.warnings, checked.rows)
        return [texts[row] for row in good.tolist()]

    def _sets(self, proba: NDArray[np.float64]) -> list[Piece]:
        """The cells of the sets of labels, as JSON; none if the batch has no sets."""
        if self._least is None:
            return []
        labels = np.array(self._live.contract.classes, dtype=object)
        distinct, places = np.unique(are_in_set(proba, self._least), axis=0, return_inverse=True)
        texts = csv_output.lines([orjson.dumps(labels[row].tolist()).decode()] for row in distinct)
        return [COMMA, Cells.of(texts).at(places.ravel())]

    def _content(
        self,
        block: Block,
        checked: Checked,
        logged: LogColumns,
        good: NDArray[np.intp],
        sets: Sequence[Piece],
    ) -> bytes:
        """The block's part of the result; `good` are the valid rows."""
        classes = len(logged.classes)
        number: list[Piece] = [COMMA, Cells.of_numbers(logged.rows + 1)] if self._has_rows else []
        shares: list[Piece] = []
        for place in range(classes):
            shares += [COMMA, logged.shares[place::classes]]
        warnings: list[Piece] = [COMMA]
        if self._has_rows and checked.warnings:
            warnings = [COMMA, Cells.of(_warning_cells(checked)).at(good), COMMA]
        elif self._has_rows:
            warnings = [COMMA, COMMA]
        pieces = [
            *logged.ids,
            *number,
            COMMA,
            self._labels.at(logged.places),
            COMMA,
            logged.label_shares,
            *shares,
            *sets,
            *warnings,
            self._rows(block, checked).at(good),
        ]
        rows = content(join(pieces, len(logged), csv_output.LINE_END.encode()))
        return rows if block.first else self._first_line().encode() + rows

    def _first_line(self) -> str:
        names = [*own_columns(self._batch, self._live.contract).values(), *self._header]
        return csv_output.text([csv_output.header(names)])

    def _rows(self, block: Block, checked: Checked) -> Cells:
        """The rows of the file as CSV, without line ends."""
        if not block.columns:  # all rows have a wrong length
            return Cells.of([])
        if self._is_comma and block.texts is not None and not self._has_formulas(block, checked):
            return block.texts if isinstance(block.texts, Cells) else Cells.of(block.texts)
        return Cells.of(csv_output.lines(zip(*block.columns, strict=True)))

    def _has_formulas(self, block: Block, checked: Checked) -> bool:
        """Whether any cell needs a leading apostrophe; numbers do not."""
        kinds = {feature.name: feature.kind for feature in self._live.contract.features}
        for name, column in zip(self._header, block.columns, strict=True):
            is_text = (
                np.isnan(checked.arrays[name]) if kinds.get(name) in {Kind.NUMBER, Kind.INTEGER} else True
            )
            if (_look_like_formulas(column) & is_text).any():
                return True
        return False


def _look_like_formulas(cells: Sequence[str]) -> NDArray[np.bool_]:
    """Whether a spreadsheet may run each cell as a formula."""
    if isinstance(cells, Cells):
        return cells.begin_with("".join(csv_output.FORMULA_STARTS).encode())
    return np.array([cell.startswith(csv_output.FORMULA_STARTS) for cell in cells], dtype=bool)


def _has_rows(batch: Batch) -> bool:
    """Whether the result has the number of each row and its warnings."""
    return bool(batch.preview.get("has_rows"))


def _set_level(batch: Batch) -> float:
    """The level of the sets of labels in the result, 0 for none."""
    return float(batch.preview.get("set_level", 0))


def _warning_cells(checked: Checked) -> list[str]:
    """The warnings of each row as a cell of CSV, which is empty if there are none."""
    cells = [""] * checked.rows
    for row, problems in checked.warnings.items():
        text = "; ".join(f"{problem.feature}: {problem.message}" for problem in problems)
        cells[row] = csv_output.lines([[text]])[0]
    return cells
