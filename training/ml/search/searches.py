"""The searches of scikit-learn and Optuna behind one interface, each with a budget."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  unlocks HalvingGridSearchCV
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    ParameterGrid,
    ParameterSampler,
)
from sklearn.pipeline import Pipeline

from training.ml.judge.importance import BUDGET_SECONDS
from training.ml.search import nested_forests
from training.ml.search.estimators import build_model, build_preprocessor, told_categories
from training.ml.search.families import FAMILIES
from training.ml.search.fold_scoring import FoldScorer
from training.ml.search.recipe import HALVING_FACTOR, HALVING_ROWS, Recipe
from training.ml.search.splitting import Folds
from training.ml.tables.contract import Contract

if TYPE_CHECKING:
    import optuna

FAMILY = "family"
# settings that Optuna draws at random before it uses its model of the space
STARTUP_TRIALS = 4
# These searches know all settings in advance, so one fit can serve several of them.
SHARING = ("grid", "random")


@dataclass(frozen=True)
class Candidate:
    """A setting that was tried: family, mean and standard deviation over the folds, and seconds of one fit."""

    family: str
    params: dict[str, Any]
    mean: float
    std: float
    rank: int
    seconds: float


# a setting, the mean and standard deviation of its scores over the folds, seconds of a fit
Tried = tuple[Mapping[str, Any], float, float, float]


@dataclass(frozen=True)
class Mixed:
    """What the choice of a mix can be changed by: the place of the best member, and the result without a member."""

    best: int
    without: Callable[[int], "SearchResult"]


@dataclass(frozen=True)
class SearchResult:
    """The candidates, best first, and the out-of-fold probabilities of the best, if the search kept them.

    They are NaN for the rows of folds on which it was not judged. `rows` are the positions of the rows to fit the best
    setting on; None for all. `importance_seconds` is the processor time for the importance of inputs. `mixed` is None unless
    the best candidate is a mix.
    """

    candidates: list[Candidate]
    proba: NDArray[np.float64] | None = None
    rows: NDArray[np.intp] | None = None
    importance_seconds: float = BUDGET_SECONDS
    warnings: Sequence[str] = ()
    mixed: Mixed | None = None


@dataclass(frozen=True)
class Task:
    """The input of a search: the pipeline whose model is replaced, the rows, the folds and the scorer."""

    pipeline: Pipeline
    contract: Contract
    recipe: Recipe
    X: pd.DataFrame
    y: NDArray[np.object_]
    folds: Folds
    scorer: FoldScorer
    jobs: int
    accelerate: bool
    clock: Callable[[], float]
    # whether one fit may serve several settings of a forest, see `nested_forests`
    shares_fits: bool = True

    @property
    def ends(self) -> float:
        """The time on the task's clock at which a budget of minutes that begins now is used up."""
        minutes = self.recipe.max_minutes
        return math.inf if minutes is None else self.clock() + minutes * 60

    @property
    def fit_jobs(self) -> int:
        """The number of parallel fits: 1 if scikit-learn-intelex uses all cores for each."""
        is_accelerated = all(FAMILIES[family].accelerated for family in self.recipe.spaces)
        return 1 if self.accelerate and is_accelerated else self.jobs

    def model(self, family: str) -> Any:
        """Return the unfitted estimator of a family for the search."""
        recipe = self.recipe
        model = build_model(family, recipe.seed, class_weight=recipe.class_weight, accelerate=self.accelerate)
        return model.set_params(**told_categories(self.contract, family))

    def parts(self, family: str) -> dict[str, Any]:
        """Return the steps of the pipeline that a family replaces, by name."""
        first, native = next(iter(self.recipe.spaces)), bool(FAMILIES[family].native)
        if native == bool(FAMILIES[first].native):
            return {"model": self.model(family)}
        preprocessor = build_preprocessor(self.contract, self.recipe.seed, native=native)
        return {"preprocessor": preprocessor, "model": self.model(family)}

    def grids(self) -> list[dict[str, list[Any]]]:
        """Return the spaces as scikit-learn expects them, with the estimator as a parameter."""
        return [
            {
                **{name: [step] for name, step in self.parts(family).items()},
                **{f"model__{name}": list(values) for name, values in space.items()},
            }
            for family, space in self.recipe.spaces.items()
        ]

    def family_of(self, model: Any) -> str:
        """Return the family of an estimator made by `model`."""
        return next(family for family in self.recipe.spaces if type(self.model(family)) is type(model))


class BudgetSpent(Exception):
    """The budget of minutes is used up; the search ends with the candidates tried so far."""


class BudgetedGridSearch(GridSearchCV):  # type: ignore[misc]
    """GridSearchCV over a list of settings, which checks the budget of time between groups of them."""

    settings: Sequence[Mapping[str, Any]]
    group: int
    is_over: Callable[[], bool]

    def _run_search(self, evaluate_candidates: Callable[..., Any]) -> None:
        waiting = iter(self.settings)
        while chunk := list(islice(waiting, self.group)):
            evaluate_candidates(chunk)
            if self.is_over():
                return


class BudgetedHalvingSearch(HalvingGridSearchCV):  # type: ignore[misc]
    """HalvingGridSearchCV that notes its rounds in the journal, and ends after the round in which time runs out."""

    is_over: Callable[[], bool]
    begin_round: Callable[[], None]

    def _run_search(self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any = None) -> None:
        def evaluate(*args: Any, **kwargs: Any) -> Any:
            self.begin_round()
            results = evaluate_candidates(*args, **kwargs)
            if self.is_over():
                raise BudgetSpent
            return results

        try:
            super()._run_search(evaluate, callback_ctx=callback_ctx)
        except BudgetSpent:
            self.n_iterations_ = len(self.n_resources_)


def _deadline(task: Task) -> Callable[[], bool]:
    """Return a function that says whether the budget of minutes, which begins now, is used up."""
    ends = task.ends
    return lambda: task.clock() > ends


def find(task: Task) -> SearchResult:
    """Try the recipe's candidates and return them, best first."""
    return {"grid": _listed, "random": _listed, "halving": _halving, "optuna": _optuna}[task.recipe.search](
        task
    )


def _listed(task: Task) -> SearchResult:
    """Run a grid or randomized search: over all settings, or over a seeded sample of them."""
    recipe, is_over = task.recipe, _deadline(task)
    if recipe.search == "random" or recipe.candidates < recipe.size:
        settings = list(ParameterSampler(task.grids(), recipe.candidates, random_state=recipe.seed))
    else:
        settings = list(ParameterGrid(task.grids()))
    nesting = [family for family in recipe.spaces if FAMILIES[family].nests and task.shares_fits]
    forests = [type(task.model(family)) for family in nesting]
    groups, rest = nested_forests.group(settings, forests=forests)
    tried, proba = _shared(task, groups, settings, is_over)
    if rest and not (tried and is_over()):
        singles = _tried(_one_by_one(task, [settings[place] for place in rest], is_over))
        tried |= dict(zip(rest, singles, strict=False))
    candidates = _ranked(task, [tried[place] for place in sorted(tried)])
    winner = min(tried, key=lambda place: (-tried[place][1], place))
    # The probabilities of an accelerated forest are only close to scikit-learn's. They are good enough to rank settings,
    # but a threshold for an aim needs those of scikit-learn.
    is_close = task.accelerate and task.recipe.aim
    return SearchResult(candidates, None if winner in rest or is_close else proba)


def _one_by_one(
    task: Task, settings: Sequence[Mapping[str, Any]], is_over: Callable[[], bool]
) -> Mapping[str, Any]:
    """Fit each setting on each fold and return scikit-learn's results."""
    # Without a budget of time all settings form one group, which keeps all cores busy to the end.
    group = len(settings) if task.recipe.max_minutes is None else max(1, task.fit_jobs)
    search = BudgetedGridSearch(
        task.pipeline,
        {},
        scoring=task.scorer,
        cv=task.folds,
        n_jobs=task.fit_jobs,
        refit=False,
        error_score="raise",
    )
    search.settings, search.group, search.is_over = settings, group, is_over
    search.fit(task.X, task.y)
    results: Mapping[str, Any] = search.cv_results_
    return results


def _shared(
    task: Task,
    groups: Sequence[nested_forests.Group],
    settings: Sequence[Mapping[str, Any]],
    is_over: Callable[[], bool],
) -> tuple[dict[int, Tried], NDArray[np.float64] | None]:
    """Score groups of settings with one fit each, one after the other: each forest grows on all cores.

    Returns:
        (results by index of the setting, out-of-fold probabilities of the best).
    """
    folds = list(task.folds.split(task.X, task.y))
    at_once = len(groups) if task.recipe.max_minutes is None else 1
    tried: dict[int, Tried] = {}
    best: tuple[float, NDArray[np.float64] | None] = (-math.inf, None)
    waiting = iter(groups)
    while chunk := list(islice(waiting, at_once)):
        pairs = [(group, fold) for group in chunk for fold in folds]
        judged = nested_forests.judge_all(
            pairs, task.pipeline.steps[0][1], task.scorer, task.X, task.y, task.jobs
        )
        for first in range(0, len(judged), len(folds)):
            for parts in zip(*judged[first : first + len(folds)], strict=True):
                place, scores = parts[0].place, [part.score for part in parts]
                seconds = float(np.mean([part.seconds for part in parts]))
                tried[place] = (settings[place], float(np.mean(scores)), float(np.std(scores)), seconds)
                if tried[place][1] > best[0]:
                    best = (tried[place][1], _joined(folds, [part.proba for part in parts]))
        if is_over():
            break
    return tried, best[1]


def _joined(
    folds: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]], probas: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Join the probabilities of the folds in the order of all rows, shape (rows, classes)."""
    joined = np.empty((sum(len(proba) for proba in probas), probas[0].shape[1]))
    for (_, test), proba in zip(folds, probas, strict=True):
        joined[test] = proba
    return joined


def _halving(task: Task) -> SearchResult:
    """Run successive halving over the rows: many settings on few rows, the best third on three times as many."""
    recipe = task.recipe
    rarest = np.unique(task.y, return_counts=True)[1].min() / len(task.y)
    fewest = min(len(task.y), math.ceil(HALVING_ROWS * recipe.folds / rarest))
    # The number of rows in the first round is chosen for the last round, which decides, to have all rows.
    rounds = min(
        int(math.log(limit, HALVING_FACTOR) + 1e-9) for limit in (recipe.candidates, len(task.y) // fewest)
    )
    fewest = max(fewest, len(task.y) // HALVING_FACTOR**rounds)
    settings: list[dict[str, Any]] = task.grids()
    if recipe.candidates < recipe.size:
        # The sample of settings is as large as the budget of fits allows over all rounds.
        drawn = ParameterSampler(settings, recipe.candidates, random_state=recipe.seed)
        settings = [{name: [value] for name, value in setting.items()} for setting in drawn]
    search = BudgetedHalvingSearch(
        task.pipeline, settings, factor=HALVING_FACTOR, min_resources=fewest, scoring=task.scorer, cv=task.folds,
        n_jobs=task.fit_jobs, refit=False, random_state=recipe.seed, return_train_score=False, error_score="raise",
    )  # fmt: skip
    search.is_over, search.begin_round = _deadline(task), task.scorer.begin_round
    search.fit(task.X, task.y)
    # A setting of several rounds counts with its last one, on the most rows; later rounds rank above earlier ones.
    rounds = search.cv_results_["iter"]
    last = {repr(params): place for place, params in enumerate(search.cv_results_["params"])}
    tried = list(_tried(search.cv_results_))
    order = sorted(last.values(), key=lambda place: (-rounds[place], -tried[place][1]))
    return SearchResult(_ranked(task, [tried[place] for place in order], presorted=True))


def _optuna(task: Task) -> SearchResult:
    """Run Optuna's TPE sampler; its median pruner stops poor settings between folds."""
    import optuna  # imported here, because the import takes a second, which would delay every start of the site

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    recipe, is_over = task.recipe, _deadline(task)
    splits = list(task.folds.split(task.X, task.y))
    results: dict[str, Tried] = {}
    best: tuple[float, NDArray[np.float64] | None] = (-math.inf, None)
    # Scores by setting, including stopped ones: a setting that is drawn again continues after its last fold.
    judged: dict[str, list[tuple[float, NDArray[np.float64]]]] = {}
    fits = 0

    def objective(trial: "optuna.Trial") -> float:
        nonlocal best, fits
        names = list(recipe.spaces)
        family = names[0] if len(names) == 1 else trial.suggest_categorical(FAMILY, names)
        params = {
            name: list(values)[trial.suggest_categorical(f"{family}.{name}", list(range(len(values))))]
            for name, values in recipe.spaces[family].items()
        }
        setting = {**task.parts(family), **{f"model__{name}": value for name, value in params.items()}}
        key = repr((family, params))
        if key in results:
            return results[key][1]
        parts = judged.setdefault(key, [])
        began = time.perf_counter()
        for step, (fit, test) in enumerate(splits):
            if step == len(parts):
                pipeline = clone(task.pipeline).set_params(**setting).fit(task.X.iloc[fit], task.y[fit])
                proba = pipeline.predict_proba(task.X.iloc[test])
                given = nested_forests.Given(pipeline.classes_, proba, key)
                parts.append((task.scorer(given, task.X.iloc[test], task.y[test]), proba))
                fits += 1
            trial.report(float(np.mean([score for score, _ in parts[: step + 1]])), step)
            if step + 1 < len(splits) and trial.should_prune():
                raise optuna.TrialPruned
        seconds, scores = (time.perf_counter() - began) / len(splits), [score for score, _ in parts]
        mean = float(np.mean(scores))
        results[key] = (setting, mean, float(np.std(scores)), seconds)
        if mean > best[0]:
            best = (mean, _joined(splits, [proba for _, proba in parts]))
        return mean

    def stop(study: "optuna.Study", _trial: "optuna.trial.FrozenTrial") -> None:
        spent = recipe.max_fits is not None and fits + recipe.folds > recipe.max_fits
        if spent or is_over() or len(study.trials) >= 2 * recipe.candidates or fits >= recipe.fits:
            study.stop()

    sampler = optuna.samplers.TPESampler(seed=recipe.seed, n_startup_trials=STARTUP_TRIALS)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=0)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, callbacks=[stop])
    return SearchResult(_ranked(task, list(results.values())), best[1])


def _tried(results: Mapping[str, Any]) -> Iterator[Tried]:
    """Yield (setting, mean, std, seconds of a fit) for each row of scikit-learn's results."""
    for params, mean, std, seconds in zip(
        results["params"],
        results["mean_test_score"],
        results["std_test_score"],
        results["mean_fit_time"],
        strict=True,
    ):
        yield params, float(mean), float(std), float(seconds)


def _ranked(
    task: Task,
    tried: Sequence[Tried],
    *,
    presorted: bool = False,
) -> list[Candidate]:
    """Rank the settings, best first; of equals, the first one tried comes first."""
    rows = list(tried) if presorted else sorted(tried, key=lambda row: -row[1])
    return [
        Candidate(
            family=task.family_of(setting["model"]),
            params={
                name.removeprefix("model__"): value
                for name, value in setting.items()
                if name.startswith("model__")
            },
            mean=mean,
            std=std,
            rank=rank,
            seconds=seconds,
        )
        for rank, (setting, mean, std, seconds) in enumerate(rows, start=1)
    ]
