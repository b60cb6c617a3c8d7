"""Choice of the threshold of the positive class for an aim, on cross-validated scores."""

import numpy as np
from numpy.typing import NDArray

from training.ml.judge.aim import Aim
from training.ml.judge.decision import reaches


def choose(positive: NDArray[np.bool_], score: NDArray[np.float64], aim: Aim) -> tuple[float, bool]:
    """Pick a threshold.

    Each score is tried, and so each set of rows that a threshold can select. The threshold lies midway to the next lower
    score, or on the score itself if there is no number between the two. The rows counted here are those for which
    `decision.reaches` is true at the returned threshold.

    Args:
        positive: whether each row is of the positive class, shape (rows,).
        score: cross-validated probabilities of the positive class, shape (rows,).
        aim: the goal of the threshold.

    Returns:
        (threshold, reached): the closest threshold and False if the aim cannot be reached.
    """
    tried = between(np.unique(score))
    order = np.argsort(score)
    ranked, ordered = positive[order], score[order]
    # The number of rows at or above each threshold follows from its position in the sorted scores.
    first = np.searchsorted(ordered, tried)
    hits_above = np.cumsum(ranked[::-1])[::-1][first].astype(float)
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


def between(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a threshold for each of the sorted values which it reaches and the previous value does not."""
    before = np.concatenate([[0.0], values[:-1]])
    middle = before + (values - before) / 2
    told_apart = reaches(values, middle) & ~reaches(before, middle)
    return np.where(told_apart, middle, values)
