"""Evaluation of a fitted pipeline on held-out rows."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from sklearn.pipeline import Pipeline

from training.ml.judge.curves import curves
from training.ml.judge.decision import Decision, probabilities
from training.ml.judge.importance import BUDGET_SECONDS, importance
from training.ml.judge.intervals import intervals
from training.ml.judge.metrics import measure
from training.ml.judge.sets import least_probabilities
from training.ml.progress import Progress
from training.ml.tables.contract import Contract


@dataclass(frozen=True)
class Evaluation:
    """The quality of a model on held-out rows.

    F1, precision and recall are those of the positive class in a binary problem and macro averages otherwise;
    ROC-AUC is one-vs-rest, macro, with more than two classes. `intervals` are 95 % bootstrap intervals.
    `confusion[i][j]` counts rows of class i labelled j. `curves` and `importance`: see their modules;
    `importance_effort` holds the number of rows and of shuffles with which importance was measured. `sets`: see
    `sets.least_probabilities`.
    """

    rows: int
    metrics: dict[str, float]
    intervals: dict[str, list[float]]
    confusion: list[list[int]]
    per_class: list[dict[str, Any]]
    curves: dict[str, list[dict[str, Any]]]
    importance: list[dict[str, Any]]
    importance_effort: dict[str, int]
    sets: dict[str, list[float]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Model(Protocol):
    """A fitted pipeline with its contract and threshold, just trained or loaded."""

    @property
    def pipeline(self) -> Pipeline: ...
    @property
    def contract(self) -> Contract: ...
    @property
    def threshold(self) -> float | None: ...


def evaluate(model: Model, table: pd.DataFrame, *, seed: int = 0) -> Evaluation:
    """Evaluate a model on a table that was not used to train it.

    Args:
        table: as read from CSV, shape (rows, columns), each class present at least once; rows without a label are dropped.
        seed: the seed of the bootstrap and the shuffling.
    """
    contract = model.contract
    table = table[table[contract.target].notna()]
    y = contract.labels_of(table).to_numpy(dtype=object)
    decision = Decision(contract.classes, contract.positive, model.threshold)
    return evaluate_rows(model.pipeline, contract.prepare(table), y, decision, seed=seed)


def evaluate_rows(
    pipeline: Pipeline,
    X: pd.DataFrame,
    y: NDArray[np.object_],
    decision: Decision,
    *,
    seed: int,
    groups: NDArray[np.intp] | None = None,
    jobs: int = -1,
    seconds: float = BUDGET_SECONDS,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Evaluation:
    """Evaluate a fitted pipeline on prepared rows.

    Args:
        X: held-out rows as the contract prepares them, shape (rows, features).
        y: their labels, shape (rows,), each class present at least once.
        seed: the seed of the bootstrap and the shuffling.
        groups: the group of each row if rows belong together; it widens the intervals.
        seconds: the processor time for the importance of inputs.
        report: called about twice a second with the number of inputs whose importance is computed.
    """
    classes, proba = decision.classes, probabilities(pipeline, X, decision.classes)
    predicted = decision.labels(proba)
    precision, recall, f1, support = precision_recall_fscore_support(
        y, predicted, labels=list(classes), zero_division=0.0
    )
    per_class = [
        {"label": label, "precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for label, p, r, f, n in zip(classes, precision, recall, f1, support, strict=True)
    ]
    judged = {
        "metrics": measure(y, proba, decision),
        "intervals": intervals(y, proba, decision, seed=seed, groups=groups),
        "confusion": confusion_matrix(y, predicted, labels=list(classes)).tolist(),
        "curves": curves(y, proba, decision),
        "sets": least_probabilities(y, proba, classes),
    }
    features, effort = importance(
        pipeline, X, y, decision, seed=seed, jobs=jobs, seconds=seconds, report=report
    )
    return Evaluation(
        rows=len(y), per_class=per_class, importance=features, importance_effort=asdict(effort), **judged
    )
