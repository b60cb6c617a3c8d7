"""Calibration of a fitted model on its out-of-fold probabilities, kept where it lowers the log-loss.

The result is scikit-learn's own `CalibratedClassifierCV`. It is put together here, because fitting it would fit the model
again for every fold, although a search has the out-of-fold probabilities already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from threadpoolctl import threadpool_limits

from training.ml.judge.calibration import calibration_error
from training.ml.judge.curves import reliability
from training.ml.judge.decision import Decision, arranged

# rows from which a method has enough to learn from; isotonic steps would follow chance in fewer
FEWEST_ROWS = {"sigmoid": 500, "isotonic": 1_000}
# Probabilities that differ by less are one to a calibrator: a step between two of them would turn the rounding errors of
# another engine into another probability.
DIGITS = 5
_LEAST = np.finfo(np.float64).eps


@dataclass(frozen=True)
class Calibration:
    """The method that was kept, or None, with the cross-fitted probabilities, shape (rows, classes).

    `log_loss` is the mean by method that was tried; that of the model is under `none`.
    """

    method: str | None
    proba: NDArray[np.float64]
    log_loss: dict[str, float]

    def to_dict(
        self, y: NDArray[np.object_], proba: NDArray[np.float64], decision: Decision
    ) -> dict[str, Any]:
        """Return the method, the losses, and curves and errors before and after, as JSON values.

        Args:
            y: true labels, shape (rows,).
            proba: the out-of-fold probabilities before, in scikit-learn's order of classes, like `self.proba`.
        """
        known = np.unique(y).tolist()
        curves = {
            name: reliability(y, arranged(of, known, decision.classes), decision)
            for name, of in (("before", proba), ("after", self.proba))
        }
        return {
            "method": self.method,
            "log_loss": self.log_loss,
            "error": {name: calibration_error(lines) for name, lines in curves.items()},
            "curves": curves,
        }


class _Scores(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Stands for the model while calibrators are fitted: its features are the model's probabilities."""

    def fit(self, X: NDArray[np.float64], y: NDArray[np.object_]) -> Self:
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return X[:, 0] if X.shape[1] == 1 else X

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.object_]:
        """Required of a classifier, but not used to calibrate it."""
        raise NotImplementedError


def choose_calibration(
    y: NDArray[np.object_], proba: NDArray[np.float64], parts: Sequence[NDArray[np.intp]]
) -> Calibration:
    """Try each method on every part after fitting it on the others, and keep the best if its gain exceeds its error.

    Args:
        y: true labels, shape (rows,).
        proba: out-of-fold probabilities, shape (rows, classes), with the classes in sorted order.
        parts: the positions of the rows of each fold.
    """
    classes = np.unique(y)
    truth = np.searchsorted(classes, y)
    before = _losses(truth, proba)
    result = Calibration(None, proba, {"none": float(before.mean())})
    for method, fewest in FEWEST_ROWS.items():
        # Steps give several classes the same probability, and rounding errors would choose among them.
        is_fit = len(y) >= fewest and (method != "isotonic" or len(classes) == 2)  # noqa: PLR2004
        crossed = _cross_fitted(method, y, proba, parts) if is_fit else None
        if crossed is None:
            continue
        after = _losses(truth, crossed)
        best, result.log_loss[method] = min(result.log_loss.values()), float(after.mean())
        gain = before - after
        if after.mean() < best and gain.mean() > gain.std() / np.sqrt(len(gain)):
            result = Calibration(method, crossed, result.log_loss)
    return result


def _cross_fitted(
    method: str, y: NDArray[np.object_], proba: NDArray[np.float64], parts: Sequence[NDArray[np.intp]]
) -> NDArray[np.float64] | None:
    """Return the probabilities of each part by calibrators of the other parts; None if those lack a class."""
    crossed = proba.copy()
    for part in parts:
        others = np.ones(len(y), dtype=bool)
        others[part] = False
        fitted = _fit(method, y[others], proba[others])
        if len(fitted.classes_) < proba.shape[1]:
            return None
        crossed[part] = fitted.predict_proba(_scores(proba[part]))
    return crossed


def calibrated(model: Any, method: str, y: NDArray[np.object_], proba: NDArray[np.float64]) -> Any:
    """Return a fitted model with calibrators that are fitted on its out-of-fold probabilities.

    Args:
        y, proba: see `choose_calibration`.
    """
    base = unfitted = model
    if hasattr(model, "decision_function"):
        # scikit-learn would calibrate these scores; a vote of one has probabilities alone
        unfitted = VotingClassifier([("model", model)], voting="soft")
        base = VotingClassifier([("model", FrozenEstimator(model))], voting="soft")
        base.fit(np.zeros((len(model.classes_), 1)), model.classes_)
    fitted = _fit(method, y, proba)
    (pair,) = fitted.calibrated_classifiers_
    pair.estimator = base
    # a copy that is fitted again calibrates in the same way
    return fitted.set_params(estimator=unfitted, cv=None)


def _fit(method: str, y: NDArray[np.object_], proba: NDArray[np.float64]) -> CalibratedClassifierCV:
    rows = np.arange(len(y))
    # one split, because the probabilities are out-of-fold already
    stand_in = CalibratedClassifierCV(_Scores(), method=method, cv=[(rows, rows)], ensemble=False)
    # A sigmoid has two parameters: threads of the linear algebra would take ten times as long to wake as to compute.
    with threadpool_limits(1, user_api="blas"):
        return stand_in.fit(_scores(proba), y)


def _scores(proba: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what scikit-learn calibrates: the probability of the second of two classes, or those of all."""
    scores = proba[:, 1:] if proba.shape[1] == 2 else proba  # noqa: PLR2004
    return scores.round(DIGITS)


def _losses(truth: NDArray[np.intp], proba: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-loss of each row."""
    own: NDArray[np.float64] = -np.log(np.maximum(proba[np.arange(len(truth)), truth], _LEAST))
    return own
