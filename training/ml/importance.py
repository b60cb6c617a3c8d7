"""Which features a model leans on: permutation importance on held-out rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

from training.ml.metrics import roc_auc

ROWS = 2_000
REPEATS = 5


@dataclass(frozen=True)
class Auc:
    """ROC-AUC as a scorer that worker processes can be sent."""

    classes: tuple[str, ...]

    def __call__(self, pipeline: Pipeline, X: pd.DataFrame, y: NDArray[np.object_]) -> float:
        return roc_auc(y, pipeline.predict_proba(X), self.classes)


def importance(
    pipeline: Pipeline,
    X: pd.DataFrame,
    y: NDArray[np.object_],
    classes: tuple[str, ...],
    *,
    seed: int,
    jobs: int = -1,
) -> list[dict[str, Any]]:
    """Return by how much ROC-AUC falls when a feature's values are shuffled, the most important first.

    Args:
        X: held-out rows, shape (rows, features); at most 2,000 of them are used.
        y: true labels, shape (rows,).
        seed: of the choice of rows and the shuffling; five shuffles a feature.

    Returns:
        `{"feature", "mean", "std"}` of each feature. Correlated features stand in for each other, so that each may
        look unimportant though the pair is not.
    """
    kept = _sample(y, classes, seed)
    result = permutation_importance(
        pipeline,
        X.iloc[kept],
        y[kept],
        scoring=Auc(classes),
        n_repeats=REPEATS,
        random_state=seed,
        n_jobs=jobs,
    )
    rows = [
        {"feature": name, "mean": float(mean), "std": float(std)}
        for name, mean, std in zip(X.columns, result.importances_mean, result.importances_std, strict=True)
    ]
    return sorted(rows, key=lambda row: -row["mean"])


def _sample(y: NDArray[np.object_], classes: tuple[str, ...], seed: int) -> NDArray[np.intp]:
    """At most ROWS rows at random, and one of each class at least."""
    if len(y) <= ROWS:
        return np.arange(len(y))
    random = np.random.default_rng(seed)
    rows = random.permutation(len(y))
    firsts = [int(rows[(y[rows] == label).argmax()]) for label in classes]
    return np.unique(np.concatenate([firsts, rows[:ROWS]]))
