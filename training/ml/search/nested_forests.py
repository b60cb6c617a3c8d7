"""Forests that differ only in the number and depth of their trees, scored from one fit of the largest.

The first 100 trees of a forest of 200 are the forest of 100 of the same seed. A tree cut at some depth has the same splits
as a tree grown to that depth, except for some random choices deeper down. A grid of 12 settings in two groups of 6, which
differ only in trees and depth, thus needs 2 fits per fold instead of 12.
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
# other values of these make the upper part of a tree depend on the part below
ENTANGLING = {"model__max_leaf_nodes": None, "model__ccp_alpha": 0.0}

Setting = Mapping[str, Any]
# row positions to fit on, and to score on
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class Member:
    """One setting of a group: its index among all settings, its trees and their depth (None for no limit)."""

    place: int
    trees: int
    depth: int | None


@dataclass
class Group:
    """Settings that are scored from one fit."""

    model: Any
    params: dict[str, Any]
    members: list[Member] = field(default_factory=list)

    def largest(self, jobs: int) -> Any:
        """Return the unfitted forest that contains all members, with `jobs` threads."""
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
    """The score and probabilities of one member on one fold."""

    place: int
    score: float
    seconds: float
    proba: NDArray[np.float64]


class Given:
    """A stand-in for a fitted pipeline, which returns known probabilities to a scorer."""

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
    """Group the settings of forests that one fit can score.

    Args:
        settings: as for scikit-learn's searches, with the unfitted estimator under "model".
        forests: the classes of estimators whose trees nest.

    Returns:
        (groups, indices of the settings outside all groups).
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
    """A fold after preprocessing: features to fit on, positions of the rows to score, and their features."""

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
    """Fit the largest forest of each pair of group and fold, and score every member on the rows left out.

    Args:
        preprocessor: unfitted; a clone is fitted on the rows of each fold.
        X, y: all rows, shapes (rows, features) and (rows,).
        jobs: threads that grow a forest.
    """
    # This is true only for joblib's cluster backend, where each pair of group and fold goes to a worker.
    if get_active_backend()[0].effective_n_jobs(1) > 1:
        one = delayed(_grow_and_judge)
        return list(Parallel(n_jobs=1)(one(*pair, preprocessor, scorer, X, y, jobs) for pair in pairs))
    judging: list[Future[list[Judged]]] = []
    # A second thread prepares the next fold and scores the last forest while one grows, as both need only one core.
    with ThreadPoolExecutor(1, thread_name_prefix="search-judge") as thread:
        waiting = (thread.submit(_prepare, preprocessor, X, y, fold) for _, fold in pairs)
        following = next(waiting)
        for group, (fit, _) in pairs:
            prepared, following = following.result(), next(waiting, following)
            grown = _grow(group, prepared, y[fit], jobs)
            if judging:
                # Waiting here keeps at most two forests in memory, and an error in scoring ends the search.
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
    """Do the work of `judge_all` for one pair, on a worker of a cluster."""
    return _judge(_grow(group, _prepare(preprocessor, X, y, fold), y[fold[0]], jobs), scorer, X, y)


def _prepare(preprocessor: Any, X: pd.DataFrame, y: NDArray[np.object_], fold: Fold) -> Prepared:
    fit, test = fold
    began = time.perf_counter()
    fitted = clone(preprocessor)
    rows = _features(fitted.fit_transform(X.iloc[fit], y[fit])), _features(fitted.transform(X.iloc[test]))
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
    """Compute the probabilities of each member in one pass through the trees.

    Args:
        learned, y: features and labels of the training rows, shapes (learned, features) and (learned,); used if the
            trees do not hold the shares of the classes.
    """
    depths, classes = {member.depth for member in members}, len(forest.classes)
    votes = {depth: np.zeros((len(rows), classes)) for depth in depths}
    proba: dict[Member, NDArray[np.float64]] = {}
    codes = pd.factorize(y, sort=True)[0]
    # For five columns, a product with ones takes a fifth of the time of `sum`.
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
    """Return the nodes at which the paths to these leaves end: the leaves themselves if the depth is not limited."""
    return leaves if ends is None else ends[leaves]


def _counts(
    shares: NDArray[np.float64], nodes: NDArray[np.intp], codes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Count the training rows of each class that end in each node, shape (nodes, classes).

    Each row counts once, although a tree drew some rows twice and others not at all. The result is closer to
    scikit-learn's shares than the most frequent class alone. A node that no row reaches, due to rounding, keeps the
    values of the tree.
    """
    counts = np.bincount(nodes * shares.shape[1] + codes, minlength=shares.size).reshape(shares.shape)
    return counts + 1e-9 * shares


def _ends(tree: Any, depth: int) -> NDArray[np.intp]:
    """Return for each node the node at which a tree of this depth would end the path to it.

    Nodes are numbered depth-first, left before right, so all nodes below a node follow it: the ancestor of a deep node
    at this depth is the last node before it that is not too deep.
    """
    # scikit-learn counts depths from 1
    reached = np.where(tree.compute_node_depths() <= depth + 1, np.arange(tree.node_count), 0)
    ends: NDArray[np.intp] = np.maximum.accumulate(reached)
    return ends
