"""Curves of a classifier on held-out rows, reduced to the points that a chart can show."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

from training.ml.judge.decision import Decision

POINTS = 200  # points of a curve at most
BINS = 10  # bins of the calibration curve


def curves(
    y: NDArray[np.object_], proba: NDArray[np.float64], decision: Decision
) -> dict[str, list[dict[str, Any]]]:
    """Return the `roc`, `precision_recall` and `calibration` curves, one-vs-rest for each class.

    A binary problem has only the curves of the positive class.

    Args:
        y: true labels, shape (rows,).
        proba: shape (rows, classes), in the order of the decision's classes.

    Returns:
        For each kind a list of `{"label", "x", "y", "area"}`. ROC curves have the `thresholds` of their points, which
        fall; the first, at which no row is labelled, is given as 1. Calibration has `counts` instead of `area`: the number of
        rows in each tenth of the probability scale, without empty tenths.
    """
    kinds: dict[str, list[dict[str, Any]]] = {"roc": [], "precision_recall": [], "calibration": []}
    for place in decision.judged:
        label = decision.classes[place]
        truth, score = y == label, proba[:, place]
        false_rate, true_rate, thresholds = roc_curve(truth, score)
        curve = _thin(x=false_rate, y=true_rate, thresholds=np.minimum(thresholds, 1.0))
        kinds["roc"].append({"label": label, **curve, "area": float(auc(false_rate, true_rate))})
        precision, recall, _ = precision_recall_curve(truth, score)
        area = float(average_precision_score(truth, score))
        kinds["precision_recall"].append(
            {"label": label, **_thin(x=recall[::-1], y=precision[::-1]), "area": area}
        )
    kinds["calibration"] = reliability(y, proba, decision)
    return kinds


def reliability(
    y: NDArray[np.object_], proba: NDArray[np.float64], decision: Decision
) -> list[dict[str, Any]]:
    """Return the `calibration` curves of `curves`."""
    result = []
    for place in decision.judged:
        truth, score = y == decision.classes[place], proba[:, place]
        observed, predicted = calibration_curve(truth, score, n_bins=BINS)
        # an edge belongs to the bin below it, as in scikit-learn's calibration_curve
        counts = np.bincount(np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], score), minlength=BINS)
        result.append(
            {
                "label": decision.classes[place],
                "x": predicted.tolist(),
                "y": observed.tolist(),
                "counts": counts[counts > 0].tolist(),
            }
        )
    return result


def _thin(**columns: NDArray[np.float64]) -> dict[str, list[float]]:
    """Keep at most POINTS points, including the first and the last; each column holds one coordinate."""
    count = len(columns["x"])
    kept = np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(int))
    return {name: values[kept].round(5).tolist() for name, values in columns.items()}
