"""From what probability on the positive class is chosen: picked for a stated aim on cross-validated scores."""

import numpy as np
from numpy.typing import NDArray

from training.ml.judge.aim import Aim


def choose(positive: NDArray[np.bool_], score: NDArray[np.float64], aim: Aim) -> tuple[float, bool]:
    """Pick a threshold.

    Thresholds are tried midway between neighbouring scores, so that none lies on one.

    Args:
        positive: which rows are of the positive class, shape (rows,).
        score: their cross-validated probabilities of it, shape (rows,).
        aim: what to serve.

    Returns:
        (threshold, reached): where the aim cannot be reached, the threshold that comes nearest, and False.
    """
    values = np.unique(score)
    tried = np.concatenate([[values[0] / 2], (values[1:] + values[:-1]) / 2])
    order = np.argsort(score)
    ranked = positive[order]
    # rows above each threshold, counted from the sorted end
    first = np.searchsorted(score[order], tried, side="right")
    hits_above = np.concatenate([np.cumsum(ranked[::-1])[::-1], [0]])[first].astype(float)
    above = (len(score) - first).astype(float)
    total = float(positive.sum())
    precision = np.divide(hits_above, above, out=np.zeros_like(above), where=above > 0)
    recall = hits_above / total
    if aim.goal == "f1":
        f1 = 2 * hits_above / (above + total)
        return float(tried[f1.argmax()]), True
    if aim.goal == "cost":
        assert aim.value is not None  # noqa: S101  checked by Aim.check
        cost = aim.value * (total - hits_above) + (above - hits_above)
        return float(tried[cost.argmin()]), True
    measured, other = (precision, recall) if aim.goal == "precision" else (recall, precision)
    enough = measured >= (aim.value or 0)
    if not enough.any():
        return float(tried[measured.argmax()]), False
    return float(tried[np.where(enough, other, -1.0).argmax()]), True
