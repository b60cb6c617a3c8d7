"""The accuracy of a window: measured with feedback, and estimated without."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from predictions.monitoring import quality
from predictions.monitoring.evaluation.facts import Accuracy, Estimated, Measured
from predictions.monitoring.evaluation.shifts import MANY_NEW, new_share
from training.ml.watch.estimate import estimated_accuracy
from training.ml.watch.reference import Cells, Reference
from training.models import Version
from training.versions.decisions import Decided

# share of predictions like which there were no rows, above which the estimated accuracy does not hold
MOST_UNKNOWN = 0.05


def accuracy_of(
    version: Version,
    reference: Reference,
    counts: NDArray[np.int64],
    since: datetime,
    until: datetime,
    decided: Decided | None,
) -> Accuracy:
    first = max(since, decided.since) if decided and decided.since else since
    (judged,) = quality.of_versions([version], first, until)
    measured = None
    if judged.accuracy is not None:
        low, high = judged.interval
        measured = Measured(judged.accuracy, low, high, judged.judged, judged.has_dropped)
    return Accuracy(judged.held_out, _estimated(reference, counts, judged.confusion), measured)


def _estimated(
    reference: Reference, counts: NDArray[np.int64], confusion: Sequence[Sequence[int]]
) -> Estimated | None:
    """The estimate, and whether it holds: the inputs are like training's, and the feedback does not contradict it."""
    bins = reference.bins
    cells = bins.cells(counts)
    known = reference.known or reference.cells
    estimate = estimated_accuracy(known, cells) if known else None
    if estimate is None or known is None:
        return None
    why = _contradiction(known, cells, np.array(confusion))
    rows = cells.sum()
    unknown = (
        max(
            (new_share(bins.of_column(counts, place), column, then), column.name)
            for place, (column, then) in enumerate(zip(bins.columns, reference.counts, strict=True))
        )
        if bins.columns
        else (0.0, "")
    )
    if not why and rows and unknown[0] > MANY_NEW:
        why = f"training knows too little of the values that {unknown[1]} has now"
    if not why and estimate.unknown > MOST_UNKNOWN:
        why = "training had too few predictions like these"
    usual = float(known.correct.sum() / known.rows.sum())
    return Estimated(estimate.value, estimate.low, estimate.high, usual, not why, why)


def _contradiction(known: Cells, cells: NDArray[np.int64], confusion: NDArray[np.int64]) -> str:
    """The reason why feedback says that the estimate is wrong, or an empty text.

    Feedback may be given more often for some predicted labels, so the estimate is made for the same mix of labels.
    """
    by_label = confusion.sum(axis=0)
    judged, right = int(by_label.sum()), int(np.trace(confusion))
    if judged < quality.ENOUGH:
        return ""
    expected = 0.0
    for place, count in enumerate(by_label):
        only = np.zeros_like(cells)
        only[place] = cells[place]
        estimate = estimated_accuracy(known, only)
        expected += (estimate.value if estimate else right / judged) * count / judged
    score = quality.Score(judged=judged, correct=right)
    low, high = score.interval
    if low <= expected <= high or abs(right / judged - expected) <= quality.DROP:
        return ""
    return "feedback contradicts it: the same inputs have other labels now, or the feedback is not typical"
