"""Forests that differ in the number and depth of their trees alone, judged from one fit of the largest.

The first 100 trees of a forest of 200 are the forest of 100 of the same seed. A tree cut at a depth splits as one grown
to that depth does, but for random choices further down that come to differ. So a grid of 12 settings of which 6 differ
in trees and depth costs 2 fits for each fold instead of 12.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from training.ml.search import forest_growing
from training.ml.search.fold_scoring import FoldScorer

TREES, DEPTH = "model__n_estimators", "model__max_depth"
# with one of these a tree's upper part depends on what is below it
ENTANGLING = {"model__max_leaf_nodes": None, "model__ccp_alpha": 0.0}

Setting = Mapping[str, Any]
# positions to fit on and to score on
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


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


@dataclass(frozen=True)
class Prepared:
    """A fold as trees take it: features to fit on, the positions left out, and the features of those."""

    test: NDArray[np.intp]
    fit: NDArray[np.float32]
    rows: NDArray[np.float32]
    seconds: float


@dataclass(frozen=True)
class Grown:
    """A group's largest forest, grown on one fold, and the labels it learned from."""

    group: Group
    forest: forest_growing.Forest
    fold: Prepared
    y: NDArray[np.object_]
    seconds: float


def judge_all(
    pairs: Sequence[tuple[Group, Fold]],
    preprocessor: Any,
    scorer: FoldScorer,
    X: pd.DataFrame,
    y: NDArray[np.object_],
    jobs: int,
) -> list[list[Judged]]:
    """Fit the largest forest of each group on its fold, and score every member on the rows left out.

    Args:
        preprocessor: unfitted; fitted anew on each fold's rows.
        X, y: all rows, shapes (rows, features) and (rows,).
        jobs: threads that grow a forest.
    """
    # joblib's backend for a cluster takes no notice of one job: each pair goes to a worker
    if get_active_backend()[0].effective_n_jobs(1) > 1:
        one = delayed(_grow_and_judge)
        return list(Parallel(n_jobs=1)(one(*pair, preprocessor, scorer, X, y, jobs) for pair in pairs))
    judging: list[Future[list[Judged]]] = []
    # one core would idle while a fold is prepared and a forest judged, so that this thread does both meanwhile
    with ThreadPoolExecutor(1, thread_name_prefix="search-judge") as thread:
        waiting = (thread.submit(_prepare, preprocessor, X, fold) for _, fold in pairs)
        following = next(waiting)
        for group, (fit, _) in pairs:
            prepared, following = following.result(), next(waiting, following)
            grown = _grow(group, prepared, y[fit], jobs)
            if judging:
                # not more than two forests at once; and what went wrong with one ends the search
                judging[-1].result()
            judging.append(thread.submit(_judge, grown, scorer, X, y))
    return [future.result() for future in judging]


def _grow_and_judge(
    group: Group,
    fold: Fold,
    preprocessor: Any,
    scorer: FoldScorer,
    X: pd.DataFrame,
    y: NDArray[np.object_],
    jobs: int,
) -> list[Judged]:
    """What `judge_all` does for one pair, on a worker of a cluster."""
    return _judge(_grow(group, _prepare(preprocessor, X, fold), y[fold[0]], jobs), scorer, X, y)


def _prepare(preprocessor: Any, X: pd.DataFrame, fold: Fold) -> Prepared:
    fit, test = fold
    began = time.perf_counter()
    fitted = clone(preprocessor)
    rows = _features(fitted.fit_transform(X.iloc[fit])), _features(fitted.transform(X.iloc[test]))
    return Prepared(test, rows[0], rows[1], time.perf_counter() - began)


def _features(prepared: Any) -> NDArray[np.float32]:
    return np.ascontiguousarray(prepared, dtype=np.float32)


def _grow(group: Group, prepared: Prepared, y: NDArray[np.object_], jobs: int) -> Grown:
    began = time.perf_counter()
    forest = forest_growing.grow(group.largest(jobs), prepared.fit, y)
    seconds = prepared.seconds + time.perf_counter() - began
    return Grown(group, forest, prepared, y, seconds)


def _judge(grown: Grown, scorer: FoldScorer, X: pd.DataFrame, y: NDArray[np.object_]) -> list[Judged]:
    began = time.perf_counter()
    members = grown.group.members
    probas = _members(grown.forest, members, grown.fold.rows, grown.fold.fit, grown.y)
    seconds = (grown.seconds + time.perf_counter() - began) / len(members)
    left_out, truth = X.iloc[grown.fold.test], y[grown.fold.test]
    return [
        Judged(
            member.place,
            scorer(Given(grown.forest.classes, proba, member.place), left_out, truth),
            seconds,
            proba,
        )
        for member, proba in zip(members, probas, strict=True)
    ]


def _members(
    forest: forest_growing.Forest,
    members: Sequence[Member],
    rows: NDArray[np.float32],
    learned: NDArray[np.float32],
    y: NDArray[np.object_],
) -> list[NDArray[np.float64]]:
    """Each member's probabilities of rows, from one pass through every tree.

    Args:
        learned, y: the features that the forest was grown from and their labels, shapes (learned, features) and
            (learned,); asked where its trees do not tell the shares of the classes.
    """
    depths, classes = {member.depth for member in members}, len(forest.classes)
    votes = {depth: np.zeros((len(rows), classes)) for depth in depths}
    proba: dict[Member, NDArray[np.float64]] = {}
    codes = pd.factorize(y, sort=True)[0]
    # a product with ones adds five columns in a fifth of the time that `sum` takes
    ones = np.ones(classes)
    for count, tree in enumerate(forest.trees(), start=1):
        leaves, values = tree.apply(rows), tree.value[:, 0, :]
        from_leaves = None if forest.has_shares else tree.apply(learned)
        for depth in depths:
            ends = None if depth is None or depth >= tree.max_depth else _ends(tree, depth)
            shares = values if from_leaves is None else _counts(values, _at(ends, from_leaves), codes)
            shares = shares.take(_at(ends, leaves), axis=0)
            shares /= (shares @ ones)[:, None]
            votes[depth] += shares
        for member in members:
            if member.trees == count:
                proba[member] = votes[member.depth] / count
    return [proba[member] for member in members]


def _at(ends: NDArray[np.intp] | None, leaves: NDArray[np.intp]) -> NDArray[np.intp]:
    """The nodes at which the ways to these leaves end, themselves where nothing cuts them short."""
    return leaves if ends is None else ends[leaves]


def _counts(
    shares: NDArray[np.float64], nodes: NDArray[np.intp], codes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """How many learned rows of each class end in each node, shape (nodes, classes).

    All rows count once, though a tree drew some twice and others not at all: closer to scikit-learn's shares than the
    most frequent class alone. What the tree tells decides where rounding leads no row.
    """
    counts = np.bincount(nodes * shares.shape[1] + codes, minlength=shares.size).reshape(shares.shape)
    return counts + 1e-9 * shares


def _ends(tree: Any, depth: int) -> NDArray[np.intp]:
    """For each node, the one at which a tree of this depth would have ended the way to it.

    Nodes are numbered along the way down, left before right, so that those below a node follow it: the last node before
    a deep one that is not too deep is the one above it.
    """
    # scikit-learn counts the depths of nodes from 1
    reached = np.where(tree.compute_node_depths() <= depth + 1, np.arange(tree.node_count), 0)
    ends: NDArray[np.intp] = np.maximum.accumulate(reached)
    return ends
