"""Bootstrap percentile intervals of the held-out metrics."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.ml.judge.decision import Decision
from training.ml.judge.metrics import Ranked
from training.ml.judge.names import METRICS

RESAMPLES = 300  # samples drawn with replacement
LEVEL = 0.95  # confidence of the intervals


def intervals(
    y: NDArray[np.object_],
    proba: NDArray[np.float64],
    decision: Decision,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    groups: NDArray[np.intp] | None = None,
) -> dict[str, list[float]]:
    """Return the 95 % interval of each of the five metrics.

    Rows are drawn with replacement within each class, so every resample holds all classes
    (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13). Groups are drawn as a whole, each within its rarest
    class, because their rows say less than as many rows of different groups.

    Args:
        y: true labels, shape (rows,).
        proba: shape (rows, classes), in the order of the decision's classes.
        seed: the seed of the resampling.
        groups: the group of each row, as whole numbers; None if every row stands alone.
    """
    random = np.random.default_rng(seed)
    classes, judged = decision.classes, list(decision.judged)
    truth = pd.Index(classes).get_indexer(pd.Index(y))
    cells = truth * len(classes) + decision.places(proba)
    ranks = [Ranked(truth == place, proba[:, place]) for place in judged]
    units = np.arange(len(y)) if groups is None else pd.factorize(groups)[0]
    members = _members(truth, units, len(classes))
    drawn: list[list[float]] = []
    while len(drawn) < resamples:
        chosen = np.concatenate([random.choice(member, len(member)) for member in members])
        # A row is weighted by how often it was drawn. scikit-learn's metrics would take 100 times as long.
        weights = np.bincount(chosen, minlength=len(units)).astype(float)[units]
        if groups is not None and not np.bincount(truth, weights, len(classes)).all():
            continue  # groups of several classes may leave one out
        auc = float(np.mean([ranked.auc(weights) for ranked in ranks]))
        confusion = np.bincount(cells, weights, len(classes) ** 2).reshape(len(classes), -1)
        drawn.append(_measure(confusion, auc, judged))
    tail = (1 - LEVEL) / 2
    bounds = np.quantile(drawn, [tail, 1 - tail], axis=0).round(6)
    return {name: bounds[:, place].tolist() for place, name in enumerate(METRICS)}


def _members(truth: NDArray[np.intp], units: NDArray[np.intp], classes: int) -> list[NDArray[np.intp]]:
    """Return the units by the rarest class among their rows."""
    rank = np.argsort(np.argsort(np.bincount(truth, minlength=classes), kind="stable"), kind="stable")
    rarest = np.full(int(units.max()) + 1, classes)
    np.minimum.at(rarest, units, rank[truth])
    return [np.flatnonzero(rarest == rank[place]) for place in range(classes)]


def _measure(confusion: NDArray[Any], auc: float, judged: list[int]) -> list[float]:
    """Compute the five metrics in the order of METRICS from a confusion matrix; see `metrics.measure`."""
    right, called, true = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    precision = np.divide(right, called, out=np.zeros(len(right)), where=called > 0)
    recall = right / true
    f1 = 2 * right / (called + true)
    means = [scores[judged].mean() for scores in (f1, precision, recall)]
    return [right.sum() / true.sum(), means[0], auc, *means[1:]]
