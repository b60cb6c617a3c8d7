"""From probabilities to a class: the one rule for judging, serving and batches."""

import numpy as np
from numpy.typing import NDArray

# two engines agree to less than this, so that neither a threshold nor a tie may hang on it
ROUNDING = 1e-6
DECIMALS = 6


def decide(proba: NDArray[np.float64], threshold: float | None) -> NDArray[np.intp]:
    """Return the class index of each row.

    Args:
        proba: shape (rows, classes), in the contract's class order.
        threshold: binary only; the positive class is chosen when its probability is above it, which at 0.5
            is what scikit-learn's `predict` does. None takes the most probable class, of equals the first.
            Differences below a millionth count as none.
    """
    if threshold is None:
        best: NDArray[np.intp] = np.argmax(np.round(proba, DECIMALS), axis=1)
        return best
    return (proba[:, 1] > threshold + ROUNDING).astype(np.intp)
