"""The predictions for a block of a file: as rows of the log, as CSV, and as counts for the charts.

They only depend on the file, the version and the batch's row, so a repeated block gives the same result.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clfsite.core.web import csv_output
from clfsite.core.web.metrics import child
from predictions.batches import counts as batch_counts
from predictions.batches.check import check_block
from predictions.log.build import log_rows, write_warnings
from predictions.log.rows import LogRows
from predictions.models import Batch, Prediction
from predictions.serving import metrics
from predictions.serving.live_models import Live
from training.ml.files.blocks import Block
from training.ml.tables.checks import Checked
from training.ml.tables.contract import Contract, Kind

COMMA = ","


@dataclass(frozen=True)
class Answers:
    """The predictions for one block.

    Attributes:
        end: number of rows of the file up to its end.
        content: its part of the result file in UTF-8; the first part starts with the header.
        unseen: the codes of its warnings.
    """

    end: int
    content: bytes
    log_rows: LogRows
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
        *(["warnings"] if has_rows else []),
    ]
    return dict(zip(columns, csv_output.beside(columns, batch.header), strict=True))


class Answerer:
    """Predicts the blocks of a batch's file with one version."""

    def __init__(self, batch: Batch, live: Live, *, delimiter: str, since: datetime) -> None:
        self._batch, self._live, self._since = batch, live, since
        self._is_comma = delimiter == COMMA
        self._header: list[str] = batch.header
        self._notations = batch.notations
        self._has_rows = _has_rows(batch)
        self._groups = batch_counts.charted(live.contract)
        classes = live.contract.classes
        self._cells = csv_output.lines([label] for label in classes)
        self._labels = np.array(classes, dtype=object)

    def answer_all(self, blocks: Iterable[Block]) -> Iterator[Answers]:
        """Predict blocks in order."""
        return map(self.answer, blocks)

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
        good = checked.accepted()
        frame = checked.frame()
        proba = self._live.loaded.proba(frame) if len(frame) else np.empty((0, len(contract.classes)))
        labels = self._live.loaded.decision.places(proba)
        seconds = time.perf_counter() - began
        child(metrics.scoring_seconds, self._live.classifier).observe(seconds)
        rows = list(compress(block.kept, good))
        logged = log_rows(
            self._live,
            ids=[f"{self._batch.id_prefix}{row:08x}" for row in rows],
            features=checked.records(),
            values={name: array[good] for name, array in checked.arrays.items()},
            labels=self._labels[labels].tolist(),
            proba=proba,
            warnings=list(compress(write_warnings(checked.warnings, checked.rows), good)),
            seconds=seconds / max(len(rows), 1),
            source=Prediction.Source.CSV,
            caller=self._batch.caller,
            created_at=self._since,
            batch_id=self._batch.pk,
            rows=rows,
            references=list(compress(taken.values, good)) if taken else None,
        )
        return Answers(
            end=block.first + block.rows,
            content=self._content(block, checked, logged, rows, labels, proba).encode(),
            log_rows=logged,
            counts=batch_counts.count(
                contract,
                self._groups,
                {name: array[good] for name, array in checked.arrays.items()},
                labels,
                proba,
            ),
            unseen=[problem.code for warned in checked.warnings.values() for problem in warned],
        )

    def _content(
        self,
        block: Block,
        checked: Checked,
        logged: LogRows,
        numbers: Sequence[int],
        labels: NDArray[np.intp],
        proba: NDArray[np.float64],
    ) -> str:
        """The block's part of the result.

        Args:
            numbers: the place of each valid row in the file, from 0.
        """
        good = checked.accepted()
        line = "%s,%s,%r" + ",%r" * proba.shape[1] + f",%s{csv_output.LINE_END}"
        ids: Sequence[str] = logged.ids
        cells = self._rows(block, checked, good)
        if self._has_rows:
            ids = [f"{pk},{number + 1}" for pk, number in zip(ids, numbers, strict=True)]
            warnings = compress(_warning_cells(checked), good)
            cells = [f"{warning},{row}" for warning, row in zip(warnings, cells, strict=True)]
        names = [self._cells[place] for place in labels.tolist()]
        rows = zip(ids, names, logged.probability, *proba.T.tolist(), cells, strict=True)
        return ("" if block.first else self._first_line()) + "".join([line % row for row in rows])

    def _first_line(self) -> str:
        names = [*own_columns(self._batch, self._live.contract).values(), *self._header]
        return csv_output.text([csv_output.header(names)])

    def _rows(self, block: Block, checked: Checked, good: NDArray[np.bool_]) -> Iterable[str]:
        """The valid rows of the result, without line ends."""
        if not block.columns:  # all rows have a wrong length
            return ()
        if self._is_comma and block.texts is not None and not self._has_formulas(block, checked):
            return compress(block.texts, good)
        return csv_output.lines(compress(zip(*block.columns, strict=True), good))

    def _has_formulas(self, block: Block, checked: Checked) -> bool:
        """Whether any cell needs a leading apostrophe; numbers do not."""
        kinds = {feature.name: feature.kind for feature in self._live.contract.features}
        for name, column in zip(self._header, block.columns, strict=True):
            cells: Iterable[str] = column
            if kinds.get(name) in {Kind.NUMBER, Kind.INTEGER}:
                cells = compress(column, np.isnan(checked.arrays[name]))
            if any(cell.startswith(csv_output.FORMULA_STARTS) for cell in set(cells)):
                return True
        return False


def _has_rows(batch: Batch) -> bool:
    """Whether the result has the number of each row and its warnings."""
    return bool(batch.preview.get("has_rows"))


def _warning_cells(checked: Checked) -> list[str]:
    """The warnings of each row as a cell of CSV, which is empty if there are none."""
    cells = [""] * checked.rows
    for row, problems in checked.warnings.items():
        text = "; ".join(f"{problem.feature}: {problem.message}" for problem in problems)
        cells[row] = csv_output.lines([[text]])[0]
    return cells
