"""Forests grown without Python's lock: what nests in them, what they depend on, and what is fitted as usual."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from training.ml.judge.decision import Decision
from training.ml.judge.metrics import roc_auc
from training.ml.search import forest_growing, nested_forests
from training.ml.search.estimators import build_model, can_accelerate

needs_intelex = pytest.mark.skipif(
    not can_accelerate(), reason="scikit-learn-intelex is made for x86-64 alone"
)
CLASSES = ("a", "b", "c")
DECISION = Decision(CLASSES)
UNLIMITED: dict[str, Any] = {}


def rows(count: int = 600) -> tuple[NDArray[np.float32], NDArray[np.object_]]:
    random = np.random.default_rng(0)
    X = random.normal(size=(count, 6)).astype(np.float32)
    place = np.digitize(X[:, 0] + X[:, 1] * X[:, 2] + random.normal(scale=0.3, size=count), [-0.5, 0.7])
    return X, np.array(CLASSES, dtype=object)[place]


def accelerated(family: str = "random_forest", **params: Any) -> Any:
    return build_model(family, 7, accelerate=True).set_params(**{"n_estimators": 30, "n_jobs": 1, **params})


def arrays(forest: Any) -> list[Any]:
    """Every tree as what it asks, where it goes and what it answers."""
    return [
        (tree.feature.tolist(), tree.threshold.tolist(), tree.children_right.tolist(), tree.value.tolist())
        for tree in forest_growing.grow(forest, *rows()).trees()
    ]


@needs_intelex
def test_the_first_trees_of_a_larger_forest_are_those_of_a_smaller_one() -> None:
    assert arrays(accelerated(n_estimators=30))[:12] == arrays(accelerated(n_estimators=12))


@needs_intelex
def test_trees_depend_on_the_seed_and_not_on_threads() -> None:
    once = arrays(accelerated())
    assert once == arrays(accelerated(n_jobs=2))
    assert once != arrays(accelerated(random_state=8))


@needs_intelex
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_above_a_depth_a_tree_asks_what_one_grown_to_it_asks(depth: int) -> None:
    """Far above the leaves, that is: the splits of small nodes depend on how deep the tree goes."""
    X, y = rows()
    deep, shallow = (
        list(forest_growing.grow(accelerated(max_features=None, min_samples_leaf=15, **params), X, y).trees())
        for params in (UNLIMITED, {"max_depth": depth})
    )
    for whole, short in zip(deep, shallow, strict=True):
        above = whole.compute_node_depths() <= depth
        inner = short.children_left >= 0
        assert short.max_depth == depth
        for name in ("feature", "threshold", "n_node_samples"):
            kept = getattr(whole, name)[above & (whole.children_left >= 0)]
            assert kept.tolist() == getattr(short, name)[inner].tolist()
        ends = nested_forests._ends(whole, depth)[whole.apply(X)]
        assert (whole.n_node_samples[ends] == short.n_node_samples[short.apply(X)]).all()


@needs_intelex
@pytest.mark.parametrize(
    "params",
    [
        {"min_samples_leaf": 5, "max_features": 0.5},
        {"min_samples_split": 20, "max_features": None},
        {"bootstrap": False, "max_depth": 4},
    ],
)
def test_every_parameter_is_handed_on_and_forests_rank_as_scikit_learns_do(params: dict[str, Any]) -> None:
    X, y = rows(2_000)
    forest = forest_growing.grow(accelerated(n_estimators=60, **params), X[:1_000], y[:1_000])
    assert not forest.is_fitted
    (proba,) = nested_forests._members(
        forest, [nested_forests.Member(0, 60, None)], X[1_000:], X[:1_000], y[:1_000]
    )
    plain = RandomForestClassifier(60, random_state=7, **params).fit(X[:1_000], y[:1_000])
    expected = plain.predict_proba(X[1_000:])
    assert roc_auc(y[1_000:], proba, DECISION) == pytest.approx(
        roc_auc(y[1_000:], expected, DECISION), abs=0.02
    )
    assert np.abs(proba - expected).mean() < 0.04
    leaves = [tree.n_node_samples[tree.children_left < 0].min() for tree in forest.trees()]
    assert min(leaves) >= params.get("min_samples_leaf", 1)
    assert max(tree.max_depth for tree in forest.trees()) <= params.get("max_depth", 100)


@needs_intelex
@pytest.mark.parametrize(
    "forest",
    [
        accelerated(class_weight="balanced") if can_accelerate() else None,
        accelerated(min_samples_leaf=0.1) if can_accelerate() else None,
        accelerated(criterion="entropy") if can_accelerate() else None,
        accelerated("extra_trees") if can_accelerate() else None,
        RandomForestClassifier(30, random_state=7),
    ],
    ids=["weights", "a share of the rows", "criterion", "extra trees", "scikit-learn"],
)
def test_what_onedal_is_not_told_of_is_fitted_as_usual(forest: Any) -> None:
    X, y = rows()
    grown = forest_growing.grow(forest, X, y)
    assert grown.is_fitted
    (proba,) = nested_forests._members(grown, [nested_forests.Member(0, 30, None)], X, X, y)
    if grown.has_shares:
        assert np.allclose(proba, np.mean([tree.predict_proba(X) for tree in forest.estimators_], axis=0))
    else:
        assert np.abs(proba - forest.predict_proba(X)).mean() < 0.02


@needs_intelex
@pytest.mark.parametrize("depth", [2, None])
def test_shares_of_mixed_leaves_are_found_from_the_rows_that_were_learned(depth: int | None) -> None:
    """Where no rows are drawn, oneDAL answers with these shares itself; its trees tell the most frequent class alone."""
    X, y = rows()
    forest = accelerated("extra_trees", min_samples_leaf=10, max_depth=depth)
    grown = forest_growing.grow(forest, X, y)
    assert not grown.has_shares
    (proba,) = nested_forests._members(grown, [nested_forests.Member(0, 30, depth)], X, X, y)
    # a few rows lie so close to a threshold that rounding decides
    assert np.abs(proba - forest.predict_proba(X)).mean() < 0.003
    answer = np.mean([tree.predict_proba(X) for tree in forest.estimators_], axis=0)
    assert np.abs(answer - proba).mean() > 0.05
