"""How far the held-out metrics could be off by chance: bootstrap percentile intervals."""

import numpy as np
from numpy.typing import NDArray

from training.ml.metrics import measure

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
        threshold: see `evaluate.decide`.
        seed: of the resampling.
    """
    random = np.random.default_rng(seed)
    members = [np.flatnonzero(y == label) for label in classes]
    drawn = []
    for _ in range(resamples):
        rows = np.concatenate([random.choice(member, len(member)) for member in members])
        drawn.append(measure(y[rows], proba[rows], classes, threshold))
    tail = (1 - LEVEL) / 2
    return {
        name: np.quantile([each[name] for each in drawn], [tail, 1 - tail]).round(6).tolist()
        for name in drawn[0]
    }
