"""A recipe is refused for what it names wrongly, before anything is fitted."""

import json
from typing import Any

import pytest

from training.ml.judge.names import METRICS
from training.ml.search.families import FAMILIES
from training.ml.search.recipe import SPACE_SEARCHES, Recipe, RecipeError


@pytest.mark.parametrize("estimator", FAMILIES)
@pytest.mark.parametrize("search", SPACE_SEARCHES)
def test_every_estimator_goes_with_every_search(estimator: str, search: str) -> None:
    recipe = Recipe(estimator=estimator, search=search)
    assert recipe.check() is recipe


@pytest.mark.parametrize("scoring", [*METRICS, "balanced_accuracy", "neg_log_loss", "roc_auc_ovr_weighted"])
def test_own_metrics_and_scorers_of_scikit_learn_are_known(scoring: str) -> None:
    assert Recipe(scoring=scoring).check().scoring == scoring


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"estimator": "oracle"}, "unknown estimator 'oracle'; choose from random_forest, "),
        ({"search": "luck"}, "unknown search 'luck'; choose from grid, "),
        ({"scoring": "beauty"}, "unknown scoring 'beauty'; choose from accuracy, "),
        ({"folds": 1}, "folds is 1; cross-validation needs at least 2"),
        ({"folds": -3}, "folds is -3"),
        ({"seed": -1}, "seed is -1; expected a whole number"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"space": {"depth": [1]}}, "random_forest has no parameter 'depth'; it has bootstrap, "),
        ({"space": {"max_depth": []}}, "space of 'max_depth' is \\[\\]; expected a list of values"),
        ({"space": {"max_depth": 5}}, "space of 'max_depth' is 5; expected a list of values"),
        ({"space": {"max_depth": "5"}}, "space of 'max_depth' is '5'; expected a list of values"),
        ({"space": {"model__max_depth": [5]}}, "no parameter 'model__max_depth'"),
    ],
    ids=str,
)
def test_wrong_part_is_quoted_with_what_there_is(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe(**wrong).check()


@pytest.mark.parametrize(
    "space",
    [{"n_estimators": ["many"]}, {"n_estimators": [5, 0]}, {"max_depth": [2.5]}, {"criterion": ["luck"]}],
    ids=str,
)
def test_value_that_the_estimator_cannot_take_is_refused(space: dict[str, list[Any]]) -> None:
    (name,) = space
    with pytest.raises(RecipeError, match=name):
        Recipe(space=space).check()


@pytest.mark.parametrize("name", ["train_dir", "snapshot_file", "grow_policy", "task_type"])
def test_catboost_takes_only_parameters_that_write_no_file_and_are_compiled(name: str) -> None:
    with pytest.raises(
        RecipeError, match=f"catboost has no parameter '{name}'; it has bagging_temperature, "
    ):
        Recipe("catboost", space={name: ["x"]}).check()
    with pytest.raises(RecipeError, match="catboost cannot take depth=17: "):
        Recipe("catboost", space={"depth": [4, 17]}).check()


def test_largest_seed_is_taken() -> None:
    assert Recipe(seed=2**32 - 1).check().seed == 2**32 - 1


def test_recipe_survives_json() -> None:
    recipe = Recipe("extra_trees", "random", "f1", 3, 7, {"max_depth": [4, None]})
    assert Recipe(**json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_grid_without_a_space_is_that_of_the_family() -> None:
    assert Recipe("logistic_regression").spaces == {
        "logistic_regression": FAMILIES["logistic_regression"].space
    }


@pytest.mark.parametrize(
    ("search", "candidates", "fits"),
    # halving keeps a third of ten candidates, then a third of four
    [("grid", 10, 30), ("random", 8, 24), ("halving", 10, (10 + 4 + 2) * 3)],
)
def test_fits_are_counted_before_the_search(search: str, candidates: int, fits: int) -> None:
    recipe = Recipe(search=search, folds=3, space={"n_estimators": list(range(1, 11))})
    assert (recipe.candidates, recipe.fits) == (candidates, fits)
