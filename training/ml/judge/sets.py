"""Label-conditional conformal sets: the classes of a row that cannot be excluded at a level.

Of the rows of each class, at least the level's share get a set with that class, whatever the model, if they are like the
held-out rows (Vovk, Conditional validity of inductive conformal predictors, 2012).
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

LEVELS = (0.8, 0.9, 0.95, 0.99)


def least_probabilities(
    y: NDArray[np.object_], proba: NDArray[np.float64], classes: Sequence[str]
) -> dict[str, list[float]]:
    """Return for each level the least probability of each class with which a row's set has the class.

    A class with too few rows for a level cannot be excluded: its least probability is 0.

    Args:
        y: the labels of rows that the model did not learn, shape (rows,).
        proba: shape (rows, classes), in the order of `classes`.
    """
    ordered = [np.sort(proba[y == label, place]) for place, label in enumerate(classes)]
    return {str(level): [_least(own, level) for own in ordered] for level in LEVELS}


def _least(own: NDArray[np.float64], level: float) -> float:
    # rounded, because 10 * (1 - 0.9) is a little less than 1
    rank = math.floor(round((len(own) + 1) * (1 - level), 9))
    return float(own[rank - 1]) if rank else 0.0


def are_in_set(proba: NDArray[np.float64], least: Sequence[float]) -> NDArray[np.bool_]:
    """Return which classes cannot be excluded, shape (rows, classes), from probabilities in the order of `least`."""
    return proba >= np.asarray(least)


def label_set(shares: Mapping[str, float], least: Sequence[float]) -> list[str]:
    """Return the classes that cannot be excluded; none if the row is unlike the rows of every class.

    Args:
        shares: the probability of each class, in the order of `least`.
    """
    return [label for (label, share), bound in zip(shares.items(), least, strict=True) if share >= bound]
