"""The decision rule from probabilities to labels, shared by threshold choice, serving, evaluation and the report.

With two classes, the positive one is predicted if its probability is at least the threshold; the comparison is exact,
with all digits that are returned and logged. With more classes, the most probable one is predicted, or, if mistakes have
costs, the one with the least expected cost; the first of equal ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


def reaches(score: NDArray[np.float64], threshold: float | NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether probabilities of the positive class reach the threshold."""
    return score >= threshold


@dataclass(frozen=True)
class Decision:
    """The classes in the order of the probabilities and, with two classes, the positive one with its threshold.

    `costs[i][j]` is the cost of a row of class i that is labelled j; it is used with more than two classes.
    """

    classes: tuple[str, ...]
    positive: str | None = None
    threshold: float | None = None
    costs: tuple[tuple[float, ...], ...] | None = None

    @cached_property
    def place(self) -> int | None:
        """The index of the positive class."""
        return None if self.positive is None else self.classes.index(self.positive)

    @property
    def judged(self) -> Sequence[int]:
        """The indices of the classes in curves and averages: only the positive one, or all."""
        return range(len(self.classes)) if self.place is None else [self.place]

    def places(self, proba: NDArray[np.float64]) -> NDArray[np.intp]:
        """The index of the predicted class of each row.

        Args:
            proba: shape (rows, classes).
        """
        if self.place is None and self.costs is not None:
            cheapest: NDArray[np.intp] = np.argmin(proba @ np.array(self.costs), axis=1)
            return cheapest
        if self.place is None or self.threshold is None:
            best: NDArray[np.intp] = np.argmax(proba, axis=1)
            return best
        return np.where(reaches(proba[:, self.place], self.threshold), self.place, 1 - self.place)

    def labels(self, proba: NDArray[np.float64]) -> NDArray[np.object_]:
        """The predicted label of each row; see `places`."""
        return np.asarray(self.classes, dtype=object)[self.places(proba)]


def probabilities(model: Any, X: "pd.DataFrame", classes: Sequence[str]) -> NDArray[np.float64]:
    """The probabilities of a fitted model with columns in the order of `classes`, shape (rows, classes)."""
    return arranged(model.predict_proba(X), model.classes_, classes)


def arranged(proba: NDArray[np.float64], known: Sequence[str], classes: Sequence[str]) -> NDArray[np.float64]:
    """Reorder the columns from the model's classes (scikit-learn's order) to those of the contract.

    A class that the model has not learned gets probability 0.
    """
    if list(known) == list(classes):
        return proba
    places = {label: place for place, label in enumerate(known)}
    columns = [proba[:, places[label]] if label in places else np.zeros(len(proba)) for label in classes]
    return np.column_stack(columns)
