"""Grids of forests judged from one fit: the same scores as one fit for each setting."""

import time
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from tests.support import tables
from training.ml.search import forest_growing, nested_forests
from training.ml.search.estimators import build_pipeline, can_accelerate
from training.ml.search.recipe import Recipe
from training.ml.search.splitting import split
from training.ml.tables.inference import infer
from training.ml.trainer import train

FORESTS = (RandomForestClassifier, ExtraTreesClassifier)
SPACE: dict[str, list[Any]] = {"n_estimators": [5, 9], "max_depth": [2, None], "min_samples_leaf": [1, 4]}


def settings_of(space: dict[str, list[Any]]) -> list[dict[str, Any]]:
    grid: list[dict[str, Any]] = [{}]
    for name, values in space.items():
        grid = [{**setting, f"model__{name}": value} for setting in grid for value in values]
    return [{"model": RandomForestClassifier(random_state=0), **setting} for setting in grid]


def test_settings_that_differ_in_trees_and_depth_share_a_fit() -> None:
    groups, rest = nested_forests.group(settings_of(SPACE), forests=FORESTS)
    assert [len(group.members) for group in groups] == [4, 4]
    assert not rest
    largest = groups[1].largest(jobs=2)
    assert (largest.n_estimators, largest.max_depth, largest.min_samples_leaf) == (9, None, 4)


def test_the_deepest_of_limited_depths_is_grown() -> None:
    groups, _ = nested_forests.group(settings_of({"max_depth": [2, 7]}), forests=FORESTS)
    assert groups[0].largest(jobs=1).max_depth == 7


@pytest.mark.parametrize("entangling", [{"max_leaf_nodes": [8]}, {"ccp_alpha": [0.01]}])
def test_depths_are_not_shared_where_the_top_of_a_tree_depends_on_its_bottom(
    entangling: dict[str, list[Any]],
) -> None:
    groups, _ = nested_forests.group(settings_of({**SPACE, **entangling}), forests=FORESTS)
    assert sorted(len(group.members) for group in groups) == [2, 2, 2, 2]


def test_other_estimators_are_left_to_the_usual_search() -> None:
    groups, rest = nested_forests.group([{"model": object()}, *settings_of(SPACE)], forests=FORESTS)
    assert rest == [0]
    assert sum(len(group.members) for group in groups) == 8


@pytest.mark.parametrize("family", ["random_forest", "extra_trees"])
def test_full_depth_scores_are_those_of_scikit_learns_grid_search(family: str) -> None:
    table = tables.numbers()
    contract = infer(table, "label")
    recipe = Recipe(estimator=family, folds=3, space={"n_estimators": [4, 7, 11], "min_samples_leaf": [1, 3]})
    trained = train(table, contract, recipe, jobs=1, accelerate=False)
    from_search = {
        (candidate.params["n_estimators"], candidate.params["min_samples_leaf"]): candidate.mean
        for candidate in trained.candidates
    }
    expected = _grid_search(table, contract, recipe)
    assert from_search.keys() == expected.keys()
    assert from_search == pytest.approx(expected)


def _grid_search(table: pd.DataFrame, contract: Any, recipe: Recipe) -> dict[tuple[int, int], float]:
    rows, _ = split(table["label"], recipe)
    space = {f"model__{name}": values for name, values in recipe.spaces[recipe.estimator].items()}
    search = GridSearchCV(
        build_pipeline(contract, recipe.estimator, recipe.seed),
        space,
        scoring="roc_auc",
        cv=StratifiedKFold(recipe.folds, shuffle=True, random_state=recipe.seed),
    ).fit(contract.prepare(table).iloc[rows], table["label"].iloc[rows].to_numpy(dtype=object))
    results = search.cv_results_
    return {
        (params["model__n_estimators"], params["model__min_samples_leaf"]): float(mean)
        for params, mean in zip(results["params"], results["mean_test_score"], strict=True)
    }


def test_a_tree_cut_at_a_depth_answers_with_the_shares_of_the_node_it_ends_in() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 3)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
    forest = RandomForestClassifier(1, bootstrap=False, max_features=None, random_state=0).fit(X, y)
    shallow = RandomForestClassifier(1, bootstrap=False, max_features=None, max_depth=2, random_state=0).fit(
        X, y
    )
    grown = forest_growing.Forest(forest.classes_, 3, 1, forest, is_fitted=True, has_shares=True)
    cut, whole = nested_forests._members(
        grown, [nested_forests.Member(0, 1, 2), nested_forests.Member(1, 1, None)], X, X, y
    )
    assert np.allclose(cut, shallow.predict_proba(X))
    assert np.allclose(whole, forest.predict_proba(X))
    assert not np.allclose(cut, whole)


def test_the_winners_out_of_fold_probabilities_need_no_further_fit() -> None:
    table = tables.numbers()
    contract = infer(table, "label")
    recipe = Recipe(folds=3, space={"n_estimators": [6, 12]})
    trained = train(table, contract, recipe, jobs=1, accelerate=False)
    assert trained.cross_validation["roc_auc"]["mean"] == pytest.approx(trained.candidates[0].mean)


@pytest.mark.skipif(not can_accelerate(), reason="scikit-learn-intelex is made for x86-64 alone")
def test_accelerated_scores_lie_close_to_scikit_learns() -> None:
    table = tables.numbers()
    contract = infer(table, "label")
    recipe = Recipe(folds=3, space={"n_estimators": [40, 80], "max_depth": [3, None]})
    means = [
        train(table, contract, recipe, jobs=1, accelerate=accelerate).candidates[0].mean
        for accelerate in (False, True)
    ]
    assert means[0] == pytest.approx(means[1], abs=0.03)


def test_no_more_than_two_forests_are_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long judging takes: memory holds the forest that is judged and the one that grows."""
    alive: weakref.WeakSet[forest_growing.Forest] = weakref.WeakSet()
    most = 0

    def grow(*args: Any) -> forest_growing.Forest:
        nonlocal most
        forest = forest_growing.grow(*args)
        alive.add(forest)
        most = max(most, len(alive))
        return forest

    def judge_slowly(*args: Any) -> list[nested_forests.Judged]:
        time.sleep(0.2)
        return judge(*args)

    judge = nested_forests._judge
    monkeypatch.setattr(nested_forests, "forest_growing", SimpleNamespace(grow=grow))
    monkeypatch.setattr(nested_forests, "_judge", judge_slowly)
    table = tables.numbers()
    trained = train(table, infer(table, "label"), Recipe(folds=4, space={"min_samples_leaf": [1, 4]}), jobs=1)
    assert (trained.fits, most) == (8, 2)


def test_what_goes_wrong_while_a_forest_is_judged_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError("no room to judge")

    monkeypatch.setattr(nested_forests, "_judge", fail)
    table = tables.numbers()
    with pytest.raises(MemoryError, match="no room to judge"):
        train(table, infer(table, "label"), Recipe(folds=3, space={"n_estimators": [5]}), jobs=1)
