"""Budgets: at the limit the best so far is kept."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from tests.support import tables
from training.ml.search.recipe import SPACE_SEARCHES, Recipe, RecipeError
from training.ml.tables.inference import infer
from training.ml.trainer import Trained, train

TEN = Recipe(folds=3, space={"n_estimators": list(range(1, 11))})
# one fit serves all of TEN's settings; none of these share one
APART = Recipe(folds=3, space={"n_estimators": [3], "min_samples_leaf": list(range(1, 11))})


def run(recipe: Recipe, clock: Callable[[], float] = lambda: 0.0) -> Trained:
    table = tables.numbers()
    return train(table, infer(table, "label"), recipe, jobs=1, accelerate=False, clock=clock)


@pytest.mark.parametrize("search", SPACE_SEARCHES)
def test_fits_stay_within_the_budget(search: str) -> None:
    trained = run(replace(TEN, search=search, max_fits=10))
    assert trained.fits <= 10
    assert trained.params == trained.candidates[0].params


@pytest.mark.parametrize(("max_fits", "drawn"), [(3, 1), (10, 3), (21, 5), (48, 10), (None, 10)])
def test_halving_draws_as_many_settings_as_its_budget_takes_through_all_rounds(
    max_fits: int | None, drawn: int
) -> None:
    recipe = replace(TEN, search="halving", max_fits=max_fits)
    assert recipe.candidates == drawn
    assert recipe.fits <= (max_fits or recipe.fits)


@pytest.mark.parametrize("search", ["grid", "halving", "optuna"])
def test_time_that_is_up_ends_the_search_with_the_best_so_far(search: str) -> None:
    minutes = count()
    trained = run(replace(APART, search=search, max_minutes=2), clock=lambda: next(minutes) * 60.0)
    assert 3 <= trained.fits <= TEN.fits
    assert len(trained.candidates) < 10 or search == "halving"
    assert trained.pipeline.named_steps["model"].n_estimators == trained.params["n_estimators"]


@pytest.mark.parametrize(
    "budget",
    [
        {"max_fits": 0},
        {"max_fits": 2},
        {"max_minutes": 0},
        {"max_minutes": float("nan")},
        {"max_minutes": float("inf")},
    ],
    ids=str,
)
def test_budget_that_fits_nothing_is_refused(budget: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="budget"):
        replace(TEN, **budget).check()


def test_auto_searches_every_family_and_names_the_winner() -> None:
    space: dict[str, dict[str, list[Any]]] = {
        "random_forest": {"n_estimators": [3]},
        "extra_trees": {"n_estimators": [3]},
        "hist_gradient_boosting": {"max_iter": [3]},
        "lightgbm": {"n_estimators": [3]},
        "catboost": {"n_estimators": [3]},
        "logistic_regression": {"C": [1.0]},
    }
    trained = run(Recipe("auto", folds=3, space=space))
    assert {candidate.family for candidate in trained.candidates} == set(space)
    assert trained.family == trained.candidates[0].family
    assert trained.params == space[trained.family] | {
        name: values[0] for name, values in space[trained.family].items()
    }


def test_class_weights_reach_the_estimator() -> None:
    trained = run(replace(TEN, space={"n_estimators": [3]}, class_weight="balanced"))
    assert trained.pipeline.named_steps["model"].class_weight == "balanced"


def test_aim_moves_the_threshold_and_the_metrics_that_follow() -> None:
    recipe = replace(TEN, space={"n_estimators": [25]})
    plain, sensitive = run(recipe), run(replace(recipe, aim={"goal": "recall", "value": 0.99}))
    assert (plain.threshold, plain.warnings) == (0.5, [])
    assert sensitive.threshold is not None
    assert sensitive.threshold < 0.5
    assert sensitive.cross_validation["recall"]["mean"] > plain.cross_validation["recall"]["mean"]


def test_aim_needs_two_classes() -> None:
    table = tables.three_classes()
    with pytest.raises(RecipeError, match="two classes"):
        train(table, infer(table, "label"), replace(TEN, aim={"goal": "f1", "value": None}), jobs=1)
