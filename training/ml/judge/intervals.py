"""How far the held-out metrics could be off by chance: bootstrap percentile intervals."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.ml.judge.decision import decide
from training.ml.judge.metrics import Ranked
from training.ml.judge.names import METRICS

RESAMPLES = 300
LEVEL = 0.95


def intervals(
    y: NDArray[np.object_],
    proba: NDArray[np.float64],
    classes: tuple[str, ...],
    *,
    threshold: float | None,
    seed: int,
    resamples: int = RESAMPLES,
) -> dict[str, list[float]]:
    """Return the 95 % interval of each of the five metrics.

    Rows are drawn with replacement within each class, so that every resample holds all classes
    (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13).

    Args:
        y: true labels, shape (rows,).
        proba: shape (rows, classes), in the order of `classes`.
        threshold: see `metrics.decide`.
        seed: of the resampling.
    """
    random = np.random.default_rng(seed)
    truth = np.searchsorted(np.asarray(classes, dtype=object), y)
    cells = truth * len(classes) + decide(proba, threshold)
    # two classes have one curve, that of the positive class
    curves = range(len(classes)) if len(classes) > 2 else [1]  # noqa: PLR2004
    ranks = [Ranked(truth == place, proba[:, place]) for place in curves]
    members = [np.flatnonzero(truth == place) for place in range(len(classes))]
    drawn = []
    for _ in range(resamples):
        rows = np.concatenate([random.choice(member, len(member)) for member in members])
        # a drawn row counts as often as it was drawn; scikit-learn's metrics would take 100 times as long
        weights = np.bincount(rows, minlength=len(y)).astype(float)
        auc = float(np.mean([ranked.auc(weights) for ranked in ranks]))
        confusion = np.bincount(cells, weights, len(classes) ** 2).reshape(len(classes), -1)
        drawn.append(_measure(confusion, auc))
    tail = (1 - LEVEL) / 2
    bounds = np.quantile(drawn, [tail, 1 - tail], axis=0).round(6)
    return {name: bounds[:, place].tolist() for place, name in enumerate(METRICS)}


def _measure(confusion: NDArray[Any], auc: float) -> list[float]:
    """The five metrics, in the order of METRICS, from a confusion matrix; see `metrics.measure`."""
    right, called, true = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    precision = np.divide(right, called, out=np.zeros(len(right)), where=called > 0)
    recall = right / true
    f1 = 2 * right / (called + true)
    # of two classes the positive one alone, of more their mean
    kept = slice(0 if len(right) > 2 else 1, None)  # noqa: PLR2004
    return [right.sum() / true.sum(), f1[kept].mean(), auc, precision[kept].mean(), recall[kept].mean()]
