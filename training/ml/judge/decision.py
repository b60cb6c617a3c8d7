"""From probabilities to labels: the one rule for choosing a threshold, answering, judging and reporting.

Of two classes the positive one is answered where its probability is at least the threshold, compared digit by digit as
it is returned and logged. Of more classes the most probable one is answered, of equals the first.
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
    """Whether probabilities of the positive class are enough to answer it."""
    return score >= threshold


@dataclass(frozen=True)
class Decision:
    """The classes in the order of the probabilities and, of two, the positive one with its threshold."""

    classes: tuple[str, ...]
    positive: str | None = None
    threshold: float | None = None

    @cached_property
    def place(self) -> int | None:
        """The positive class among the classes."""
        return None if self.positive is None else self.classes.index(self.positive)

    @property
    def judged(self) -> Sequence[int]:
        """The classes that curves and averages are over: the positive one alone, or all."""
        return range(len(self.classes)) if self.place is None else [self.place]

    def places(self, proba: NDArray[np.float64]) -> NDArray[np.intp]:
        """The class of each row by its place.

        Args:
            proba: shape (rows, classes).
        """
        if self.place is None or self.threshold is None:
            best: NDArray[np.intp] = np.argmax(proba, axis=1)
            return best
        return np.where(reaches(proba[:, self.place], self.threshold), self.place, 1 - self.place)

    def labels(self, proba: NDArray[np.float64]) -> NDArray[np.object_]:
        """The label of each row; see `places`."""
        return np.asarray(self.classes, dtype=object)[self.places(proba)]


def probabilities(model: Any, X: "pd.DataFrame", classes: Sequence[str]) -> NDArray[np.float64]:
    """What a fitted model gives, its columns in the order of these classes, shape (rows, classes)."""
    return arranged(model.predict_proba(X), model.classes_, classes)


def arranged(proba: NDArray[np.float64], known: Sequence[str], classes: Sequence[str]) -> NDArray[np.float64]:
    """Columns from the order of the classes that a model learned, which is scikit-learn's, to that of the contract.

    A class that the model has not learned gets no probability.
    """
    if list(known) == list(classes):
        return proba
    places = {label: place for place, label in enumerate(known)}
    columns = [proba[:, places[label]] if label in places else np.zeros(len(proba)) for label in classes]
    return np.column_stack(columns)
