"""The five metrics that an evaluation reports."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from training.ml.judge.decision import Decision
from training.ml.judge.names import METRICS


def measure(y: NDArray[np.object_], proba: NDArray[np.float64], decision: Decision) -> dict[str, float]:
    """Return the five metrics.

    Args:
        y: true labels, shape (rows,), each class present at least once.
        proba: shape (rows, classes), in the order of the decision's classes.
    """
    predicted = decision.labels(proba)
    averaging = {"average": "macro"}
    if decision.positive is not None:
        averaging = {"average": "binary", "pos_label": decision.positive}
    precision, recall, f1, _ = precision_recall_fscore_support(
        y, predicted, labels=list(decision.classes), zero_division=0.0, **averaging
    )
    values = (accuracy_score(y, predicted), f1, roc_auc(y, proba, decision), precision, recall)
    return {name: float(value) for name, value in zip(METRICS, values, strict=True)}


def roc_auc(y: NDArray[np.object_], proba: NDArray[np.float64], decision: Decision) -> float:
    """Return the ROC-AUC of the positive class or one-vs-rest; shapes as for `measure`.

    The value equals that of scikit-learn's `roc_auc_score`, whose checks of labels and curves take more time in a search
    than the ranking. It is NaN if a class, or its rest, has no row.

    Raises:
        ValueError: a probability is not a finite number.
    """
    if not np.isfinite(proba).all():
        raise ValueError("a model returned probabilities that are not finite numbers")
    scores = [Ranked(y == decision.classes[place], proba[:, place]).auc() for place in decision.judged]
    return float(np.mean(scores))


class Ranked:
    """The sorted scores of one class, from which its ROC-AUC under any row weights is a sum over equal scores."""

    def __init__(self, positive: NDArray[np.bool_], score: NDArray[np.float64]) -> None:
        self.order = np.argsort(score, kind="stable")
        self.positive = positive[self.order]
        self.starts = np.flatnonzero(np.r_[True, np.diff(score[self.order]) > 0])

    def auc(self, weights: NDArray[np.float64] | None = None) -> float:
        """Return the share of pairs of a positive and a negative row in the right order; ties count half."""
        ordered = np.ones(len(self.order)) if weights is None else weights[self.order]
        hits = np.add.reduceat(np.where(self.positive, ordered, 0.0), self.starts)
        misses = np.add.reduceat(np.where(self.positive, 0.0, ordered), self.starts)
        pairs = hits.sum() * misses.sum()
        below = np.cumsum(misses) - misses
        return float((hits * (below + misses / 2)).sum() / pairs) if pairs else float("nan")
