"""Permutation importance of features on held-out rows."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from training.ml.judge.decision import Decision, probabilities
from training.ml.judge.metrics import roc_auc
from training.ml.progress import Phase, Progress

# seconds of processor time; fewer rows and shuffles are used if a model is slow or has many features
BUDGET_SECONDS = 30.0
REPORT_SECONDS = 0.5
# rows that are scored in one call; wide tables have several features in it
ROWS_AT_ONCE = 2_000


@dataclass(frozen=True)
class Effort:
    """The number of held-out rows that are shuffled, and of shuffles."""

    rows: int
    repeats: int


# The efforts differ enough for a model to get the same one on machines of similar speed.
EFFORTS = (
    Effort(2_000, 5),
    Effort(2_000, 2),
    Effort(1_000, 1),
    Effort(400, 1),
    Effort(150, 1),
    Effort(50, 1),
)


def importance(
    pipeline: Pipeline,
    X: pd.DataFrame,
    y: NDArray[np.object_],
    decision: Decision,
    *,
    seed: int,
    jobs: int = -1,
    seconds: float = BUDGET_SECONDS,
    report: Callable[[Progress], None] = lambda progress: None,
) -> tuple[list[dict[str, Any]], Effort]:
    """Return how much ROC-AUC drops if a feature's values are shuffled, most important first, and the effort.

    Args:
        X: held-out rows, shape (rows, features); at most 2,000 of them are used.
        y: true labels, shape (rows,).
        seed: the seed of the choice of rows and the shuffling.
        seconds: the processor time that it may take.
        report: called about twice a second with the number of features done.

    Returns:
        `{"feature", "mean", "std"}` of each feature. Correlated features can replace each other, so each of them may
        look unimportant even if the pair is important.
    """
    classes, total = decision.classes, X.shape[1]
    report(Progress(0, total, phase=Phase.IMPORTANCE))
    per_row = _seconds_per_row(pipeline, X.iloc[_sample(y, classes, seed)])
    effort = choose_effort(per_row, len(y), total, seconds)
    kept = _sample(y, classes, seed, effort.rows)
    rows, truth = X.iloc[kept].reset_index(drop=True), y[kept]
    score = roc_auc(truth, probabilities(pipeline, rows, classes), decision)
    at_once = max(1, ROWS_AT_ONCE // (len(rows) * effort.repeats))
    names = list(map(str, X.columns))

    def falls(first: int) -> list[NDArray[np.float64]]:
        some = names[first : first + at_once]
        # All shuffles are scored in one call, because the overhead of the pipeline exceeds the cost of the rows.
        mixed = pd.concat([rows] * effort.repeats * len(some), ignore_index=True)
        for number, name in enumerate(some):
            random = np.random.default_rng([seed, first + number])
            shuffled = np.concatenate([random.permutation(len(rows)) for _ in range(effort.repeats)])
            start = number * len(shuffled)
            order = np.arange(len(mixed))
            order[start : start + len(shuffled)] = start + shuffled
            mixed[name] = mixed[name].take(order).array
        parts = np.split(probabilities(pipeline, mixed, classes), effort.repeats * len(some))
        lost = [score - roc_auc(truth, part, decision) for part in parts]
        return np.split(np.array(lost), len(some))

    # Threads are enough because trees release Python's lock, and processes would take seconds to start.
    results = Parallel(n_jobs=jobs, require="sharedmem", return_as="generator")(
        delayed(falls)(first) for first in range(0, total, at_once)
    )
    measured, reported = [], time.monotonic()
    for name, fall in zip(names, chain.from_iterable(results), strict=True):
        measured.append({"feature": name, "mean": float(fall.mean()), "std": float(fall.std())})
        if time.monotonic() - reported >= REPORT_SECONDS:
            reported = time.monotonic()
            report(Progress(len(measured), total, phase=Phase.IMPORTANCE))
    return sorted(measured, key=lambda row: -row["mean"]), Effort(len(kept), effort.repeats)


def choose_effort(
    seconds_per_row: float, rows: int, features: int, seconds: float = BUDGET_SECONDS
) -> Effort:
    """Return the greatest effort within a budget of seconds, or the least one if none is."""
    for effort in EFFORTS:
        if seconds_per_row * min(effort.rows, rows) * effort.repeats * features <= seconds:
            return effort
    return EFFORTS[-1]


def _seconds_per_row(pipeline: Pipeline, rows: pd.DataFrame) -> float:
    """Measure the processor time of this thread per row, which other load on the machine does not change."""
    began = time.thread_time()
    pipeline.predict_proba(rows)
    return (time.thread_time() - began) / len(rows)


def _sample(
    y: NDArray[np.object_], classes: tuple[str, ...], seed: int, most: int = EFFORTS[0].rows
) -> NDArray[np.intp]:
    """Draw rows at random, with at least one of each class, or return all if there are fewer."""
    if len(y) <= most:
        return np.arange(len(y))
    random = np.random.default_rng(seed)
    rows = random.permutation(len(y))
    firsts = [int(rows[(y[rows] == label).argmax()]) for label in classes]
    return np.unique(np.concatenate([firsts, rows[:most]]))
