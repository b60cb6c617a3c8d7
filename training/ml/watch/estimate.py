"""The accuracy that predictions are expected to have before their true labels are known.

Held-out and cross-validated rows tell for each predicted label and confidence how often it was right. The estimate weights these shares by how
often the predictions of a window have each label and confidence. It holds while the label depends on the inputs as in training,
also if other inputs become frequent; it cannot see that the same inputs mean another label now.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.ml.watch.reference import Cells
from training.ml.watch.shares import NORMAL_95

# rows that the mean probability of a cell, or of its label, counts for
_PRIOR_ROWS = 10.0
# standard deviations of the estimate within which the accuracy of held-out rows is not surprising
_AGREEING = 3.0


@dataclass(frozen=True)
class Estimate:
    """An accuracy with its 95 % interval, and the share of predictions like which there were no known rows."""

    value: float
    low: float
    high: float
    unknown: float


def right_shares(cells: Cells) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how often the predictions of each cell are right, and the variance of this knowledge, both (classes, levels).

    The share of a cell with few rows is drawn towards the mean probability of its predictions, corrected by how much
    all predictions of the confidence are right more or less often than their probabilities say.
    """
    rows, confidence = cells.rows.astype(np.float64), cells.confidence
    level_rows, level_sum = rows.sum(axis=0), confidence.sum(axis=0)
    level_right = cells.correct.sum(axis=0)
    overall = cells.correct.sum() / max(rows.sum(), 1)
    # of each level over all labels, itself drawn towards the share of all rows
    of_level = (level_right + _PRIOR_ROWS * overall) / (level_rows + _PRIOR_ROWS)
    mean_level = np.where(level_rows > 0, level_sum / np.maximum(level_rows, 1), of_level)
    mean_cell = np.where(rows > 0, confidence / np.maximum(rows, 1), mean_level)
    prior = np.clip(mean_cell + of_level - mean_level, 0.0, 1.0)
    shares = (cells.correct + _PRIOR_ROWS * prior) / (rows + _PRIOR_ROWS)
    return shares, shares * (1 - shares) / (rows + _PRIOR_ROWS)


def pooled(held_out: Cells, crossed: Cells) -> Cells:
    """Return the cells of held-out and cross-validated rows, or of the former alone if both do not agree.

    Cross-validated rows are more, but of other models and, if rows are split by time, of earlier times.
    """
    expected = estimated_accuracy(crossed, held_out.rows)
    if expected is None:
        return held_out
    difference = held_out.correct.sum() / held_out.rows.sum() - expected.value
    deviation = (expected.high - expected.low) / 2 / NORMAL_95
    return held_out + crossed if abs(difference) <= _AGREEING * deviation else held_out


def estimated_accuracy(cells: Cells, now: NDArray[Any]) -> Estimate | None:
    """Estimate the accuracy of predictions by label and confidence; None if there are none.

    Args:
        now: predictions of the window by cell, shape (classes, levels).
    """
    total = float(now.sum())
    if not total:
        return None
    shares, variances = right_shares(cells)
    weights = now / total
    value = float((weights * shares).sum())
    # what the known rows do not tell, and the chance of these very predictions
    variance = float((weights**2 * variances).sum() + (weights * shares * (1 - shares)).sum() / total)
    reach = NORMAL_95 * math.sqrt(variance)
    unknown = float(weights[cells.rows == 0].sum())
    return Estimate(value, max(value - reach, 0.0), min(value + reach, 1.0), unknown)
