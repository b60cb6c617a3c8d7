"""Forests that differ in the number and depth of their trees alone, judged from one fit of the largest.

The first 100 trees of a forest of 200 are the forest of 100 of the same seed. A tree cut at a depth splits as one grown
to that depth does: every node's split is chosen from its rows alone, and it knows the shares of its classes. So a grid
of 12 settings of which 6 differ in trees and depth costs 2 fits for each fold instead of 12.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from training.ml.scoring import FoldScorer

TREES, DEPTH = "model__n_estimators", "model__max_depth"
# with one of these a tree's upper part depends on what is below it
ENTANGLING = {"model__max_leaf_nodes": None, "model__ccp_alpha": 0.0}

Setting = Mapping[str, Any]


@dataclass(frozen=True)
class Member:
    """One setting of a group: its place among all settings, its trees and how deep they go (None: to the end)."""

    place: int
    trees: int
    depth: int | None


@dataclass
class Group:
    """Settings that one fit serves."""

    model: Any
    params: dict[str, Any]
    members: list[Member] = field(default_factory=list)

    def largest(self, jobs: int) -> Any:
        """The unfitted forest that holds all members, grown by so many threads."""
        depths = [member.depth for member in self.members]
        forest = clone(self.model).set_params(
            **{name.removeprefix("model__"): value for name, value in self.params.items()}
        )
        return forest.set_params(
            n_estimators=max(member.trees for member in self.members),
            max_depth=None if None in depths else max(depth for depth in depths if depth is not None),
            n_jobs=jobs,
        )


@dataclass(frozen=True)
class Judged:
    """What one member gave on one fold."""

    place: int
    score: float
    seconds: float
    proba: NDArray[np.float64]


class Given:
    """Probabilities in the place of the pipeline that would give them, and the setting that gave them, for a scorer."""

    def __init__(self, classes: NDArray[np.object_], proba: NDArray[np.float64], setting: object) -> None:
        self.classes_ = classes
        self.proba = proba
        self.setting = setting

    def predict_proba(self, _X: pd.DataFrame) -> NDArray[np.float64]:
        return self.proba

    def predict(self, _X: pd.DataFrame) -> NDArray[np.object_]:
        labels: NDArray[np.object_] = self.classes_[self.proba.argmax(axis=1)]
        return labels


def group(settings: Sequence[Setting], *, forests: Sequence[Any]) -> tuple[list[Group], list[int]]:
    """Put settings of forests together that one fit serves.

    Args:
        settings: as scikit-learn's searches take them, the unfitted estimator under "model".
        forests: the classes of estimators whose trees nest.

    Returns:
        (groups, places of the settings that are in none).
    """
    groups: dict[str, Group] = {}
    rest = []
    for place, setting in enumerate(settings):
        if not isinstance(setting["model"], tuple(forests)):
            rest.append(place)
            continue
        model: Any = setting["model"]
        params = {name: value for name, value in setting.items() if name not in {"model", TREES, DEPTH}}
        trees = setting.get(TREES, model.n_estimators)
        depth = setting.get(DEPTH, model.max_depth)
        if any(params.get(name, plain) != plain for name, plain in ENTANGLING.items()):
            params[DEPTH] = depth
        key = repr((type(model), params))
        groups.setdefault(key, Group(model, params)).members.append(Member(place, trees, depth))
    return list(groups.values()), rest


def judge(
    group: Group,
    preprocessor: Any,
    scorer: FoldScorer,
    X: pd.DataFrame,
    y: NDArray[np.object_],
    fold: tuple[NDArray[np.intp], NDArray[np.intp]],
    jobs: int,
) -> list[Judged]:
    """Fit a group's largest forest on one fold and score every member on the rows left out.

    Args:
        preprocessor: unfitted; fitted here on the fold's rows.
        X, y: all rows, shapes (rows, features) and (rows,).
        fold: positions to fit on and to score on.
        jobs: threads that grow the forest.
    """
    fit, test = fold
    began = time.perf_counter()
    pipeline = Pipeline([("preprocessor", clone(preprocessor)), ("model", group.largest(jobs))])
    pipeline.fit(X.iloc[fit], y[fit])
    forest = pipeline.named_steps["model"]
    rows = np.asarray(pipeline.named_steps["preprocessor"].transform(X.iloc[test]), dtype=np.float32)
    probas = _members(forest, group.members, rows)
    seconds = (time.perf_counter() - began) / len(group.members)
    return [
        Judged(
            member.place,
            scorer(Given(forest.classes_, proba, member.place), X.iloc[test], y[test]),
            seconds,
            proba,
        )
        for member, proba in zip(group.members, probas, strict=True)
    ]


def _members(forest: Any, members: Sequence[Member], rows: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Each member's probabilities, from one pass through every tree."""
    depths = {member.depth for member in members}
    votes = {depth: np.zeros((len(rows), len(forest.classes_))) for depth in depths}
    found: dict[Member, NDArray[np.float64]] = {}
    for count, estimator in enumerate(forest.estimators_, start=1):
        tree = estimator.tree_
        leaves = tree.apply(rows)
        shares = tree.value[:, 0, :]
        shares = shares / shares.sum(axis=1, keepdims=True)
        ends = _ends(tree, sorted(depth for depth in depths if depth is not None))
        for depth in depths:
            votes[depth] += shares[leaves if depth is None else ends[depth][leaves]]
        for member in members:
            if member.trees == count:
                found[member] = votes[member.depth] / count
    return [found[member] for member in members]


def _ends(tree: Any, depths: Sequence[int]) -> dict[int, NDArray[np.intp]]:
    """For each depth, the node at which a tree of that depth would have ended the way to each node."""
    ends = {depth: np.arange(tree.node_count) for depth in depths}
    level, parents = 0, np.array([0])
    while len(parents) and depths:
        inner = parents[tree.children_left[parents] >= 0]
        children = np.concatenate([tree.children_left[inner], tree.children_right[inner]])
        above = np.concatenate([inner, inner])
        level += 1
        for depth in depths:
            if level > depth:
                ends[depth][children] = ends[depth][above]
        parents = children
    return ends
