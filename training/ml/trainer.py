"""Training: from a table and a recipe to a fitted and evaluated pipeline.

All random steps use the recipe's seed; the same table, recipe and library versions give the same model.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline

from training.ml.judge.aim import Aim
from training.ml.judge.costs import trade_off
from training.ml.judge.decision import Decision, arranged, probabilities
from training.ml.judge.evaluation import Evaluation, evaluate_rows
from training.ml.judge.metrics import measure
from training.ml.judge.names import DEFAULT_THRESHOLD, METRICS
from training.ml.judge.threshold import choose
from training.ml.progress import Phase, Progress
from training.ml.search.auto import timed
from training.ml.search.auto.race import LARGE_ROWS
from training.ml.search.calibration import calibrated, choose_calibration
from training.ml.search.estimators import build_pipeline, can_accelerate, fit_mix, part_of_mix, set_threads
from training.ml.search.families import FAMILIES, MIX
from training.ml.search.fold_scoring import FoldScorer, check_scoring, journal
from training.ml.search.recipe import PORTFOLIO, Recipe, RecipeError
from training.ml.search.searches import SHARING, Candidate, SearchResult, Task, find
from training.ml.search.splitting import Ranks, folds, in_time, split, together
from training.ml.serve.artifact import record_golden
from training.ml.serve.loaded_model import choose_engine
from training.ml.serve.row_time import slowest_beyond
from training.ml.tables.contract import Contract, ContractError
from training.ml.tables.copies import Groups
from training.ml.tables.findings import leaks_across
from training.ml.tables.quoting import quote
from training.ml.watch.estimate import pooled
from training.ml.watch.reference import Reference, cells_of, describe


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline with its contract, search results and evaluation."""

    pipeline: Pipeline
    contract: Contract
    family: str
    params: dict[str, Any]
    candidates: list[Candidate]
    fits: int
    cross_validation: dict[str, dict[str, float]]
    held_out: Evaluation
    threshold: float | None
    warnings: list[str]
    golden: dict[str, Any]
    engine: dict[str, Any]
    reference: Reference
    out_of_fold: dict[str, Any]


def agree(contract: Contract, recipe: Recipe) -> Contract:
    """Return the contract with the positive class of the recipe, if the recipe has one.

    Raises:
        RecipeError: the class does not exist, or there are more than two classes.
    """
    if recipe.positive is None:
        return contract
    try:
        return contract.with_positive(recipe.positive)
    except ContractError as error:
        raise RecipeError(str(error)) from error


def check(table: pd.DataFrame, contract: Contract, recipe: Recipe) -> None:
    """Raise RecipeError unless the recipe fits the table; fast enough to be called before a run is queued.

    Args:
        table: as read from CSV, shape (rows, columns).
        contract: the contract with the recipe's positive class, see `agree`.
    """
    _divided(table[table[contract.target].notna()], contract, recipe)


@dataclass(frozen=True)
class _Part:
    """The features and labels of some rows, with their groups or their ranks in time."""

    X: pd.DataFrame
    y: NDArray[np.object_]
    groups: Groups | None
    ranks: Ranks | None


@dataclass(frozen=True)
class _Divided:
    """The features and labels of the labelled rows, and what the splits keep to, with warnings about that."""

    X: pd.DataFrame
    y: pd.Series
    groups: Groups | None
    ranks: Ranks | None
    warnings: list[str]

    def at(self, rows: NDArray[np.intp]) -> _Part:
        """Return some rows, by their positions."""
        return _Part(
            self.X.iloc[rows],
            self.y.iloc[rows].to_numpy(dtype=object),
            None if self.groups is None else self.groups[rows],
            None if self.ranks is None else self.ranks[rows],
        )


def _divided(labelled: pd.DataFrame, contract: Contract, recipe: Recipe) -> _Divided:
    """Return the rows with their groups or their ranks in time.

    Raises:
        RecipeError: the recipe does not fit the rows.
    """
    recipe.check()
    check_scoring(recipe.scoring, _decision(contract, DEFAULT_THRESHOLD))
    if recipe.aim and not contract.positive:
        raise RecipeError(f"an aim requires two classes; this table has {len(contract.classes)}")
    for name, what in ((recipe.group, "groups"), (recipe.time, "time")):
        if name is not None and (name not in labelled or name == contract.target):
            where = "the target" if name == contract.target else "not in the table"
            raise RecipeError(f"the column of {what} {quote(name)} is {where}; choose another column")
    X, y = contract.prepare(labelled), contract.labels_of(labelled)
    split(y, recipe)
    if recipe.time is not None:
        ranks, warnings = in_time(y, labelled[recipe.time], recipe)
        return _Divided(X, y, None, ranks, warnings)
    groups, warnings = together(X, y, None if recipe.group is None else labelled[recipe.group], recipe)
    return _Divided(X, y, groups, None, warnings)


def _leaks(
    labelled: pd.DataFrame,
    contract: Contract,
    recipe: Recipe,
    fitting: NDArray[np.intp],
    held_out: NDArray[np.intp],
) -> list[str]:
    """Return warnings about inputs that tell the class of other groups, or of later rows, by themselves."""
    if recipe.group is None and recipe.time is None:
        return []
    return [f"{leak.column}: {leak.message}" for leak in leaks_across(labelled, contract, fitting, held_out)]


def _decision(contract: Contract, threshold: float | None) -> Decision:
    return Decision(contract.classes, contract.positive, threshold)


def train(
    table: pd.DataFrame,
    contract: Contract,
    recipe: Recipe,
    *,
    jobs: int = -1,
    accelerate: bool = True,
    compiles: bool = True,
    report: Callable[[Progress], None] = lambda progress: None,
    clock: Callable[[], float] = time.monotonic,
    began: float | None = None,
    spread: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Trained:
    """Search for the best setting, fit it and evaluate it.

    Args:
        table: as read from CSV, shape (rows, columns); rows without a label are dropped.
        contract: inferred from the same table, and possibly corrected.
        recipe: the settings of the training.
        jobs: number of parallel processes; -1 for all cores.
        accelerate: search with scikit-learn-intelex if it is installed; the winner is fitted by scikit-learn.
        compiles: use this package's own code for forests of a grid and for scoring; without, scikit-learn does both.
        report: called when a phase begins, and about twice a second if it is counted, possibly from another thread.
        clock: a clock in seconds, used only for the recipe's budget of minutes.
        began: the time on the clock at which a budget of the whole training began; None for now.
        spread: a context in which joblib runs the fits of the search on other machines.

    Raises:
        RecipeError: the recipe does not fit the table.
    """
    began = clock() if began is None else began
    report(Progress(0, 1, phase=Phase.CHECK))
    contract = agree(contract, recipe)
    table = table[table[contract.target].notna()]
    divided = _divided(table, contract, recipe)
    fitting, held_out = split(divided.y, recipe, divided.groups, divided.ranks)
    fit, held = divided.at(fitting), divided.at(held_out)
    with nullcontext() if recipe.search == PORTFOLIO else spread():
        task = _task(
            contract,
            recipe,
            fit,
            jobs=jobs,
            accelerate=accelerate,
            clock=clock,
            shares_fits=compiles,
        )
        search, fits = _search(task, began, report)
        report(Progress(0, 2, phase=Phase.REFIT))
        winner = search.candidates[0]
        proba = _out_of_fold(task, winner) if search.proba is None else search.proba
    report(Progress(1, 2, phase=Phase.REFIT))
    learned = slice(None) if search.rows is None else search.rows

    def fit_winner(winner: Candidate) -> Pipeline:
        return _fit_winner(contract, recipe, winner, fit.X.iloc[learned], fit.y[learned], jobs)

    pipeline = fit_winner(winner)
    search, pipeline = _fast_enough(search, pipeline, contract, fit_winner, compiles=compiles)
    winner, proba = search.candidates[0], proba if search.proba is None else search.proba
    proba, calibration = _calibrate(pipeline, task, proba)
    proba = arranged(proba, np.unique(fit.y).tolist(), contract.classes)
    judged = np.isfinite(proba[:, 0])
    threshold, warnings = _threshold(fit.y[judged], proba[judged], contract, recipe)
    decision = _decision(contract, threshold)
    report(Progress(0, 1, phase=Phase.JUDGE))
    cross_validation = _over_folds(task, proba, decision)
    evaluation = evaluate_rows(
        pipeline,
        held.X,
        held.y,
        decision,
        seed=recipe.seed,
        groups=held.groups,
        jobs=jobs,
        seconds=search.importance_seconds,
        report=report,
    )
    report(Progress(0, 1, phase=Phase.COMPILE))
    return Trained(
        pipeline=pipeline,
        contract=contract,
        family=winner.family,
        params=winner.params,
        candidates=search.candidates,
        fits=fits,
        cross_validation=cross_validation,
        held_out=evaluation,
        threshold=threshold,
        warnings=[
            *divided.warnings,
            *_leaks(table, contract, recipe, fitting, held_out),
            *search.warnings,
            *warnings,
        ],
        golden=record_golden(pipeline, held.X),
        engine=choose_engine(pipeline, contract, held.X, threshold, compiles=compiles),
        reference=_reference(pipeline, divided.X, held, contract, decision, (fit.y[judged], proba[judged])),
        out_of_fold={
            "trade_off": trade_off(fit.y[judged], proba[judged], decision, recipe.seed),
            "calibration": calibration,
        },
    )


def _reference(
    pipeline: Pipeline,
    X: pd.DataFrame,
    held: _Part,
    contract: Contract,
    decision: Decision,
    out_of_fold: tuple[NDArray[np.object_], NDArray[np.float64]],
) -> Reference:
    proba = probabilities(pipeline, held.X, contract.classes)
    labels, confidence = _answered(proba, decision)
    reference = describe(X, contract, truth=held.y.tolist(), labels=labels, confidence=confidence)
    y, crossed = out_of_fold
    labels, confidence = _answered(crossed, decision)
    known = cells_of(reference.bins, y.tolist(), labels, confidence)
    return replace(reference, known=pooled(reference.cells, known) if reference.cells else known)


def _answered(proba: NDArray[np.float64], decision: Decision) -> tuple[list[str], NDArray[np.float64]]:
    """The label of each row, and its probability."""
    places = decision.places(proba)
    return [decision.classes[place] for place in places], proba[np.arange(len(proba)), places]


def _task(
    contract: Contract,
    recipe: Recipe,
    fit: _Part,
    *,
    jobs: int,
    accelerate: bool,
    clock: Callable[[], float],
    shares_fits: bool = True,
) -> Task:
    """Return the task of the search; the number of jobs is computed in the current joblib context."""
    return Task(
        pipeline=build_pipeline(contract, next(iter(recipe.spaces)), recipe.seed),
        contract=contract,
        recipe=recipe,
        X=fit.X,
        y=fit.y,
        folds=folds(fit.y, recipe, fit.groups, fit.ranks),
        scorer=FoldScorer(recipe.scoring, _decision(contract, DEFAULT_THRESHOLD)),
        jobs=effective_n_jobs(jobs),
        accelerate=accelerate and _may_accelerate(recipe),
        clock=clock,
        shares_fits=shares_fits,
    )


def _may_accelerate(recipe: Recipe) -> bool:
    """Return whether scikit-learn-intelex is installed and useful for the search.

    Accelerated and other families cannot share the cores unless one fit serves many settings.
    """
    is_mixed = not all(FAMILIES[family].accelerated for family in recipe.spaces)
    return can_accelerate() and (recipe.search in SHARING or not is_mixed)


def _search(task: Task, began: float, report: Callable[[Progress], None]) -> tuple[SearchResult, int]:
    """Search, report the progress, and return the result and the number of fits."""
    if task.recipe.search == PORTFOLIO:
        return timed.find(task, began, report)
    reports: list[Progress] = []

    def note(progress: Progress) -> None:
        reports.append(progress)
        report(progress)

    with journal(task.recipe.fits, task.recipe.folds, note) as path:
        search = find(replace(task, scorer=replace(task.scorer, journal=path)))
    return search, reports[-1].done


def _out_of_fold(task: Task, winner: Candidate) -> NDArray[np.float64]:
    """Return the out-of-fold probabilities of the winner, shape (rows, classes).

    The columns are in scikit-learn's order of classes, like those stored by a search. A threshold for an aim is chosen
    on the scores of scikit-learn's own estimator, because predictions are made with it.
    """
    recipe = task.recipe
    is_own = task.accelerate and recipe.aim is not None
    pipeline = build_pipeline(task.contract, winner.family, recipe.seed, class_weight=recipe.class_weight)
    if not is_own:
        pipeline.set_params(model=task.model(winner.family))
    pipeline.named_steps["model"].set_params(**winner.params)
    proba: NDArray[np.float64] = cross_val_predict(
        pipeline,
        task.X,
        task.y,
        cv=task.folds,
        n_jobs=task.jobs if is_own else task.fit_jobs,
        method="predict_proba",
    )
    return proba


def _calibrate(
    pipeline: Pipeline, task: Task, proba: NDArray[np.float64]
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Calibrate a fitted pipeline if that lowers the log-loss.

    Args:
        proba: its out-of-fold probabilities in scikit-learn's order of classes, NaN for rows of folds without.

    Returns:
        The probabilities after it, and what a version keeps of it. Class weights shift probabilities on purpose, so they
        are left as they are, with nothing to keep.
    """
    judged = np.isfinite(proba[:, 0])
    places = np.cumsum(judged) - 1
    parts = [places[test[judged[test]]] for _, test in task.folds.split(task.X, task.y)]
    parts = [part for part in parts if len(part)]
    if task.recipe.class_weight is not None or len(parts) < 2:  # noqa: PLR2004
        return proba, {}
    y, known = task.y[judged], proba[judged]
    calibration = choose_calibration(y, known, parts)
    if calibration.method:
        model = calibrated(pipeline.named_steps["model"], calibration.method, y, known)
        pipeline.steps[-1] = ("model", model)
    after = np.full_like(proba, np.nan)
    after[judged] = calibration.proba
    return after, calibration.to_dict(y, known, _decision(task.contract, None))


def _threshold(
    y: NDArray[np.object_], proba: NDArray[np.float64], contract: Contract, recipe: Recipe
) -> tuple[float | None, list[str]]:
    place = _decision(contract, None).place
    if place is None:
        return None, []
    aim = Aim.from_dict(recipe.aim)
    if aim is None:
        return DEFAULT_THRESHOLD, []
    threshold, reached = choose(y == contract.positive, proba[:, place], aim)
    if reached:
        return threshold, []
    return threshold, [f"no threshold reaches a {aim.goal} of {aim.value}; {threshold!r} is the closest"]


def _fit_winner(
    contract: Contract, recipe: Recipe, winner: Candidate, X: pd.DataFrame, y: NDArray[np.object_], jobs: int
) -> Pipeline:
    """Fit scikit-learn's own estimator, which loads everywhere and scores one row without a thread pool.

    Boosting of few rows takes longer with several threads, which wait for each other after every split.
    """

    def threads(family: str) -> int:
        return jobs if FAMILIES[family].nests or len(y) >= LARGE_ROWS else 1

    if winner.family == MIX:
        return fit_mix(
            contract,
            winner.params["members"],
            X,
            y,
            recipe.seed,
            class_weight=recipe.class_weight,
            threads=threads,
        )
    pipeline = build_pipeline(contract, winner.family, recipe.seed, class_weight=recipe.class_weight)
    pipeline.named_steps["model"].set_params(**winner.params)
    set_threads(pipeline, winner.family, threads(winner.family))
    pipeline.fit(X, y)
    set_threads(pipeline, winner.family)
    return pipeline


def _fast_enough(
    search: SearchResult,
    pipeline: Pipeline,
    contract: Contract,
    fit: Callable[[Candidate], Pipeline],
    *,
    compiles: bool = True,
) -> tuple[SearchResult, Pipeline]:
    """Leave members out of a fitted mix until one row does not take too long, or the best setting is left alone."""
    while search.mixed:
        slow = slowest_beyond(pipeline, contract, search.mixed.best, compiles=compiles)
        if slow is None:
            break
        before = _members(search.candidates[0])
        search = search.mixed.without(slow)
        winner = search.candidates[0]
        if winner.family != MIX:
            return search, fit(winner)
        weights = [member["weight"] for member in winner.params["members"]]
        pipeline = part_of_mix(pipeline, dict(zip(map(before.index, _members(winner)), weights, strict=True)))
    return search, pipeline


def _members(mix: Candidate) -> list[tuple[str, dict[str, Any]]]:
    return [(member["family"], member["params"]) for member in mix.params["members"]]


def _over_folds(task: Task, proba: NDArray[np.float64], decision: Decision) -> dict[str, dict[str, float]]:
    """Return mean and standard deviation of the five metrics over the folds, whatever the search maximised.

    Rows without probabilities, on whose fold a search had no time to judge the winner, do not count.
    """
    judged = np.isfinite(proba[:, 0])
    parts = [test[judged[test]] for _, test in task.folds.split(task.X, task.y)]
    scores = [measure(task.y[part], proba[part], decision) for part in parts if len(part)]
    values = {name: [score[name] for score in scores] for name in METRICS}
    return {
        name: {"mean": float(np.mean(of_folds)), "std": float(np.std(of_folds))}
        for name, of_folds in values.items()
    }
