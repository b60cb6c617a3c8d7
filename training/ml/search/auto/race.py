"""The fits of the search `portfolio`: settings are judged fold by fold, on rows that are prepared once.

A large table is searched on growing samples of its rows, the levels; the last level has all rows.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from training.ml.search.auto.pace import Pace
from training.ml.search.auto.portfolio import Setting
from training.ml.search.cost import Size
from training.ml.search.estimators import build_model, build_preprocessor, set_threads, told_categories
from training.ml.search.families import BOOSTING, CATBOOST, FAMILIES
from training.ml.search.nested_forests import Given
from training.ml.search.searches import BudgetSpent, Task

# rows of the first level of a large table, and how many times as many the next one has
FIRST_ROWS, GROWTH = 10_000, 4
# rows from which one fit uses all cores; below, the folds of a setting are fitted side by side
LARGE_ROWS = 20_000
# rows on which settings are judged at the levels before the last
JUDGED_ROWS = 20_000
# bytes of prepared rows that are kept
KEPT_BYTES = 400_000_000


@dataclass(eq=False)
class Contender:
    """A setting and how it did: by level and fold, its score and the probabilities of the rows it was judged on.

    A setting that is tried twice is two contenders.
    """

    setting: Setting
    scores: dict[tuple[int, int], float] = field(default_factory=dict)
    probas: dict[tuple[int, int], NDArray[np.float64]] = field(default_factory=dict)
    seconds: float = 0.0
    seconds_per_row: float = 0.0

    @property
    def level(self) -> int:
        """The highest level on which it was judged, -1 before the first."""
        return max((level for level, _ in self.scores), default=-1)

    def folds(self, level: int) -> list[int]:
        """The folds on which it was judged at a level, in order."""
        return sorted(fold for at, fold in self.scores if at == level)

    def score(self, level: int, folds: Sequence[int] | None = None) -> float:
        """The mean score at a level over these folds, or over all on which it was judged."""
        return float(np.mean([self.scores[level, fold] for fold in folds or self.folds(level)]))

    def spread(self, level: int) -> float:
        """The standard deviation of the scores at a level over the folds."""
        return float(np.std([self.scores[level, fold] for fold in self.folds(level)]))

    @property
    def order(self) -> tuple[int, int, float]:
        """The sort key of contenders: the one judged on the most rows and folds counts more, then the better one."""
        level = self.level
        return (level, len(self.folds(level)), self.score(level) if level >= 0 else 0.0)


@dataclass(frozen=True)
class Rows:
    """Prepared rows to fit on and to be judged on, with the positions of the latter in the table."""

    X: NDArray[np.float64]
    codes: NDArray[np.intp]
    test: NDArray[np.float64]
    places: NDArray[np.intp]


class Race:
    """The judging of settings on the folds of a task.

    Args:
        over: returns whether the time for fits is used up; LightGBM and CatBoost look at it after each tree.
        report: called after each fit.
    """

    def __init__(self, task: Task, over: Callable[[], bool], report: Callable[[], None]) -> None:
        self.task, self.over, self.report = task, over, report
        self.codes, self.classes = pd.factorize(task.y, sort=True)
        self.splits = [
            (self.ordered(fit), self.ordered(test)) for fit, test in task.folds.split(task.X, task.y)
        ]
        self.pace = Pace(Size.of(task.contract, len(task.y)))
        fewest = min(len(fit) for fit, _ in self.splits)
        self.levels: list[int] = []
        while FIRST_ROWS * GROWTH ** len(self.levels) * 2 < fewest:
            self.levels.append(FIRST_ROWS * GROWTH ** len(self.levels))
        self.levels.append(fewest)
        self.fits = 0
        # how much longer than on a machine without other work the last fits of one thread took
        self.delays: deque[float] = deque([1.0], maxlen=10)
        self._libraries = ThreadpoolController()
        self._kept: OrderedDict[tuple[bool, int, int], Rows] = OrderedDict()

    @property
    def last(self) -> int:
        """The level of all rows."""
        return len(self.levels) - 1

    @property
    def delay(self) -> float:
        """How much longer everything takes because of other work on the machine."""
        return float(np.median(self.delays))

    def first_folds(self, level: int) -> list[int]:
        """The folds that a setting is judged on first: as many as are fitted side by side."""
        count = 1 if self.levels[level] >= LARGE_ROWS else min(self.task.jobs, len(self.splits))
        return list(range(count))

    def predict(self, setting: Setting, level: int) -> float:
        """The seconds of one fit at a level."""
        return self.pace.predict(setting, self.levels[level])

    def judge(self, contender: Contender, level: int, folds: Sequence[int]) -> None:
        """Fit a setting on folds, side by side if they are small.

        Raises:
            BudgetSpent: time ran out during a fit.
        """
        rows = [self._rows(contender.setting.family, level, fold) for fold in folds]
        is_large = self.levels[level] >= LARGE_ROWS
        at_once, threads = (1, self.task.jobs) if is_large else (min(len(folds), self.task.jobs), 1)
        began = time.perf_counter()
        with self._libraries.limit(limits=threads):
            if at_once == 1:
                fitted = [self._fit(contender.setting, part, threads) for part in rows]
            else:
                with ThreadPoolExecutor(at_once) as pool:
                    fitted = list(pool.map(lambda part: self._fit(contender.setting, part, threads), rows))
        seconds = (time.perf_counter() - began) / len(folds)
        self.pace.learn(contender.setting, self.levels[level], seconds)
        contender.seconds = seconds
        for fold, part, (proba, per_row) in zip(folds, rows, fitted, strict=True):
            key = repr((contender.setting.family, sorted(contender.setting.params.items())))
            given = Given(self.classes, proba, key)
            contender.scores[level, fold] = self.task.scorer(
                given, self.task.X.iloc[part.places], self.task.y[part.places]
            )
            contender.probas[level, fold] = proba
            contender.seconds_per_row = per_row
            self.fits += 1
            self.report()

    def places(self, level: int, fold: int) -> NDArray[np.intp]:
        """The positions of the rows that are judged."""
        test = self.splits[fold][1]
        return test if level == self.last else test[:JUDGED_ROWS]

    def _fit(self, setting: Setting, rows: Rows, threads: int) -> tuple[NDArray[np.float64], float]:
        """Return the probabilities of the rows to be judged, and the seconds for one of them."""
        task = self.task
        model = build_model(setting.family, task.recipe.seed, class_weight=task.recipe.class_weight)
        model.set_params(**told_categories(task.contract, setting.family), **setting.params)
        set_threads(model, setting.family, threads)
        watched = {"callbacks": [_Watch(self.over)]} if setting.family in {BOOSTING, CATBOOST} else {}
        began, used = time.perf_counter(), time.thread_time()
        model.fit(rows.X, rows.codes, **watched)
        if setting.family == CATBOOST and self.over():
            raise BudgetSpent
        if threads == 1:
            self.delays.append((time.perf_counter() - began) / max(time.thread_time() - used, 1e-3))
        began = time.perf_counter()
        proba = model.predict_proba(rows.test)
        return proba, (time.perf_counter() - began) / len(rows.test)

    def ordered(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Order rows so that the first ones of any number have about the mix of classes of all."""
        shuffled = np.random.default_rng(self.task.recipe.seed).permutation(rows)
        codes = self.codes[shuffled]
        places = np.empty(len(rows))
        for code in np.unique(codes):
            of_class = np.flatnonzero(codes == code)
            # the first row of each class comes first, however rare the class is
            places[of_class] = np.arange(len(of_class)) / len(of_class)
        return shuffled[np.argsort(places, kind="stable")]

    def _rows(self, family: str, level: int, fold: int) -> Rows:
        native = bool(FAMILIES[family].native)
        key = (native, level, fold)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        fit = self.splits[fold][0][: self.levels[level]] if level < self.last else self.splits[fold][0]
        places, X, y = self.places(level, fold), self.task.X, self.task.y
        preprocessor = build_preprocessor(self.task.contract, self.task.recipe.seed, native=native)
        learned = np.ascontiguousarray(preprocessor.fit_transform(X.iloc[fit], y[fit]))
        rows = Rows(
            learned, self.codes[fit], np.ascontiguousarray(preprocessor.transform(X.iloc[places])), places
        )
        self._kept[key] = rows
        while len(self._kept) > 1 and sum(_bytes(kept) for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return rows


class _Watch:
    """What LightGBM and CatBoost call after each tree: it ends a fit when the time is over."""

    def __init__(self, over: Callable[[], bool]) -> None:
        self._over = over

    def __call__(self, _progress: Any) -> None:
        """Raise BudgetSpent for LightGBM."""
        if self._over():
            raise BudgetSpent

    def after_iteration(self, _progress: Any) -> bool:
        """Return whether CatBoost goes on."""
        return not self._over()


def _bytes(rows: Rows) -> int:
    return rows.X.nbytes + rows.test.nbytes
