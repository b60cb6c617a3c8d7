"""Which features a model leans on: permutation importance on held-out rows."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from training.ml.judge.decision import Decision, probabilities
from training.ml.judge.metrics import roc_auc

ROWS = 2_000
REPEATS = 5


def importance(
    pipeline: Pipeline,
    X: pd.DataFrame,
    y: NDArray[np.object_],
    decision: Decision,
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
    classes = decision.classes
    kept = _sample(y, classes, seed)
    rows, truth = X.iloc[kept].reset_index(drop=True), y[kept]
    score = roc_auc(truth, probabilities(pipeline, rows, classes), decision)
    many = pd.concat([rows] * REPEATS, ignore_index=True)

    def falls(place: int, name: str) -> NDArray[np.float64]:
        random = np.random.default_rng([seed, place])
        shuffled = np.concatenate([random.permutation(len(rows)) for _ in range(REPEATS)])
        # all shuffles at once: the way through the pipeline costs more than the rows
        mixed = many.copy(deep=False)
        mixed[name] = many[name].take(shuffled).array
        proba = probabilities(pipeline, mixed, classes)
        return np.array([score - roc_auc(truth, each, decision) for each in np.split(proba, REPEATS)])

    # threads, as trees are walked without Python's lock, and processes would take seconds to start
    found = Parallel(n_jobs=jobs, require="sharedmem")(
        delayed(falls)(place, str(name)) for place, name in enumerate(X.columns)
    )
    measured = [
        {"feature": name, "mean": float(each.mean()), "std": float(each.std())}
        for name, each in zip(X.columns, found, strict=True)
    ]
    return sorted(measured, key=lambda row: -row["mean"])


def _sample(y: NDArray[np.object_], classes: tuple[str, ...], seed: int) -> NDArray[np.intp]:
    """At most ROWS rows at random, and one of each class at least."""
    if len(y) <= ROWS:
        return np.arange(len(y))
    random = np.random.default_rng(seed)
    rows = random.permutation(len(y))
    firsts = [int(rows[(y[rows] == label).argmax()]) for label in classes]
    return np.unique(np.concatenate([firsts, rows[:ROWS]]))
