"""Scoring of the folds of a search, and the journal from which its progress is read."""

import hashlib
import json
import math
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.metrics import get_scorer
from sklearn.pipeline import Pipeline

from training.ml.judge.decision import Decision, probabilities
from training.ml.judge.metrics import measure, roc_auc
from training.ml.judge.names import METRICS
from training.ml.progress import Progress
from training.ml.search.recipe import RecipeError

POLL_SECONDS = 0.5
# scorers of these modules of scikit-learn work with labels or probabilities of classes
_CLASSIFICATION = ("sklearn.metrics._classification", "sklearn.metrics._ranking")
# this line of a journal begins a round, in which settings are scored again on more rows
ROUND = "round"
# fits on another machine collect their scores here, because their journal is not on it
_kept: ContextVar[list[tuple[str, str]] | None] = ContextVar("kept", default=None)


@dataclass(frozen=True)
class FoldScorer:
    """Score one fitted fold and append a line to the journal, in any process."""

    scoring: str
    decision: Decision
    journal: str = ""

    def __call__(self, pipeline: Any, X: pd.DataFrame, y: NDArray[np.object_]) -> float:
        score = self.score(pipeline, X, y)
        if not math.isfinite(score):
            if self.scoring not in METRICS:
                raise RecipeError(
                    f"the scoring {self.scoring!r} returned {score} on a fold; choose another scoring"
                )
            score = 0.0  # a fold of a small subsample that lacks a class counts as the worst score
        if self.journal:
            kept, line = _kept.get(), json.dumps([_setting(pipeline), score])
            if kept is None:
                note(self.journal, line)
            else:
                kept.append((self.journal, line))
        return score

    def begin_round(self) -> None:
        """Note that all later scores are on more rows than the ones before."""
        if self.journal:
            note(self.journal, ROUND)

    def score(self, pipeline: Any, X: pd.DataFrame, y: NDArray[np.object_]) -> float:
        """Return the score, without a line in the journal."""
        if self.scoring == "roc_auc":
            return roc_auc(y, probabilities(pipeline, X, self.decision.classes), self.decision)
        if self.scoring in METRICS:
            return measure(y, probabilities(pipeline, X, self.decision.classes), self.decision)[self.scoring]
        numbered = Numbered(pipeline, self.decision)
        return float(get_scorer(self.scoring)(numbered, X, numbered.number(y)))


def _setting(pipeline: Any) -> str:
    """Return a text that identifies the setting of a fit."""
    if isinstance(pipeline, Pipeline):
        model = pipeline[-1]
        shown = repr((type(model).__name__, sorted(model.get_params().items())))
        return hashlib.blake2b(shown.encode(), digest_size=8).hexdigest()
    return str(pipeline.setting)


class Numbered(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted pipeline with numbered classes, as scikit-learn's named scorers expect; of two, the positive one is 1."""

    def __init__(self, pipeline: Any, decision: Decision) -> None:
        self.pipeline = pipeline
        self.decision = decision
        self.classes = decision.classes[::-1] if decision.place == 0 else decision.classes
        self.classes_ = np.arange(len(self.classes))

    def number(self, y: NDArray[np.object_]) -> NDArray[np.intp]:
        """Convert labels to numbers."""
        return pd.Index(self.classes).get_indexer(pd.Index(y))

    def predict(self, X: pd.DataFrame) -> NDArray[np.intp]:
        # CatBoost's labels of three classes and more are a column
        return self.number(np.ravel(self.pipeline.predict(X)))

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        return probabilities(self.pipeline, X, self.classes)


def check_scoring(scoring: str, decision: Decision) -> None:
    """Raise RecipeError unless the scorer works with these classes, which is tried with a dummy classifier."""
    if scoring in METRICS:
        return
    scorer = get_scorer(scoring)
    if scorer._score_func.__module__ not in _CLASSIFICATION:
        raise RecipeError(
            f"the scoring {scoring!r} is for regression or clustering, not for classes; choose "
            "another scoring"
        )
    y = np.array(decision.classes * 4, dtype=object)
    X = pd.DataFrame({"x": np.arange(len(y))})
    guess = DummyClassifier(strategy="stratified", random_state=0).fit(X, y)
    try:
        FoldScorer(scoring, decision).score(guess, X, y)
    except (ValueError, TypeError, AttributeError) as error:
        count = len(decision.classes)
        raise RecipeError(f"the scoring {scoring!r} does not support {count} classes: {error}") from error


@contextmanager
def journal(total: int, folds: int, report: Callable[[Progress], None]) -> Iterator[str]:
    """Yield the path of a file that fold scorers append to, and report from it until the search ends.

    Args:
        total: number of planned fits; the last report has the actual number.
        folds: number of scores in the mean of a setting.
        report: called about twice a second from another thread, and once at the end.
    """
    done = threading.Event()
    with tempfile.TemporaryDirectory(prefix="clfsite-search-") as folder:
        path = Path(folder) / "scores"
        path.touch()

        def watch() -> None:
            while not done.wait(POLL_SECONDS):
                report(read(path, total, folds))

        watcher = threading.Thread(target=watch, name="search-progress", daemon=True)
        watcher.start()
        try:
            yield str(path)
        finally:
            done.set()
            watcher.join()
        last = read(path, total, folds)
        report(Progress(last.done, last.done, last.best))


def note(journal: str, line: str) -> None:
    """Append a line to a journal: a setting with its score on a fold, or ROUND."""
    # A single write to a file that is open for appending is atomic between processes.
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@contextmanager
def away() -> Iterator[list[tuple[str, str]]]:
    """Collect (journal, line) of the fits of this thread; the caller writes them to the journals later."""
    kept: list[tuple[str, str]] = []
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)


def read(path: Path, total: int, folds: int) -> Progress:
    """Return the progress according to a journal; the arguments are those of `journal`."""
    done, best, is_new_round = 0, None, False
    waiting: dict[str, list[float]] = {}
    for line in path.read_text().split("\n")[:-1]:
        if line == ROUND:
            waiting, is_new_round = {}, True
            continue
        done += 1
        setting, score = json.loads(line)
        scores = waiting.setdefault(setting, [])
        scores.append(score)
        if len(scores) == folds:
            mean = fmean(waiting.pop(setting))
            best = mean if best is None or is_new_round else max(best, mean)
            is_new_round = False
    return Progress(done, max(total, done), best)
