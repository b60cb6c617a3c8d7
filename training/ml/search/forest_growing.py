"""Forests that are grown to be judged alone: their trees, one after the other, and nothing else of an estimator.

scikit-learn-intelex's own `fit` holds Python's lock while a forest grows, so that nothing can be judged beside it, and
its `estimators_` clone an estimator for every tree, which takes longer than reading the tree. The functions of oneDAL
below it, `daal4py`, do neither. They grow random forests without weights; every other forest is fitted as usual.

Either way oneDAL tells of a leaf how many rows it has and which class most of them are of, not the shares of the others,
and of a node above the sum of these. That is the whole truth where leaves hold one class; elsewhere whoever asks a tree
has to find the shares of its nodes from the rows it learned.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree._tree import Tree

from training.ml.search.estimators import can_accelerate

# what `_grow` hands on; a forest with any other parameter of its own is fitted as usual
KNOWN = {
    "n_estimators",
    "max_depth",
    "min_samples_split",
    "min_samples_leaf",
    "max_features",
    "bootstrap",
    "random_state",
    "n_jobs",
    "verbose",
    "max_bins",
    "min_bin_size",
}
# as many random streams of one seed there are in oneDAL, one for each tree
MOST_TREES = 6024


@dataclass(frozen=True, eq=False)
class Forest:
    """A grown forest: what its votes are for, where its trees are read from, and whether their nodes tell all shares."""

    classes: NDArray[np.object_]
    features: int
    count: int
    source: Any
    is_fitted: bool
    has_shares: bool

    def trees(self) -> Iterator[Any]:
        """scikit-learn's trees in the order of their growth; a node's values are counts or shares of classes.

        Each is made when it is asked for: a forest of deep trees takes twice the memory if all are there at once.
        """
        if self.is_fitted:
            yield from (estimator.tree_ for estimator in self.source.estimators_)
            return
        import daal4py

        for place in range(self.count):
            state = daal4py.getTreeState(self.source, place, len(self.classes))
            tree = Tree(self.features, np.array([len(self.classes)], dtype=np.intp), 1)
            tree.__setstate__(
                {
                    "max_depth": state.max_depth,
                    "node_count": len(state.node_ar),
                    "nodes": state.node_ar,
                    "values": state.value_ar,
                }
            )
            yield tree


def grow(forest: Any, X: NDArray[np.float32], y: NDArray[np.object_]) -> Forest:
    """Grow an unfitted forest.

    Args:
        forest: scikit-learn's or scikit-learn-intelex's; its `n_jobs` threads grow it.
        X: finite features, shape (rows, features). Trees of scikit-learn compare in float32 as well.
        y: labels, shape (rows,).
    """
    if not _is_known(forest):
        forest.fit(X, y)
        # set where the fit was not left to scikit-learn
        has_shares = getattr(forest, "_onedal_estimator", None) is None or _has_pure_leaves(forest)
        return Forest(forest.classes_, X.shape[1], len(forest.estimators_), forest, True, has_shares)
    codes, classes = pd.factorize(y, sort=True)
    model = _grow(forest, X, codes.astype(np.float32), len(classes))
    return Forest(
        np.asarray(classes), X.shape[1], forest.n_estimators, model, False, _has_pure_leaves(forest)
    )


def _has_pure_leaves(forest: Any) -> bool:
    """Whether its trees grow until every leaf holds one class, but for rows that are alike."""
    return forest.max_depth is None and forest.min_samples_leaf == 1 and forest.min_samples_split == 2  # noqa: PLR2004


def _is_known(forest: Any) -> bool:
    """Whether `_grow` grows what `fit` of this forest would."""
    if not can_accelerate():
        return False
    from sklearnex.ensemble import RandomForestClassifier

    if type(forest) is not RandomForestClassifier:
        return False
    params, plain = forest.get_params(), RandomForestClassifier().get_params()
    return (
        all(value == plain[name] for name, value in params.items() if name not in KNOWN)
        # shares of the rows are scikit-learn's to turn into numbers of them
        and all(isinstance(params[name], Integral) for name in ("min_samples_split", "min_samples_leaf"))
        and params["n_estimators"] <= MOST_TREES
    )


def _grow(forest: Any, X: NDArray[np.float32], codes: NDArray[np.float32], classes: int) -> Any:
    """oneDAL's model of a forest; a tree's random numbers depend on seed and place alone, not on threads or others."""
    import daal4py

    seed = np.random.RandomState(forest.random_state).randint(np.iinfo(np.int32).max)
    training = daal4py.decision_forest_classification_training(
        nClasses=classes,
        fptype="float",
        method="hist",
        nTrees=forest.n_estimators,
        featuresPerNode=_features_of_a_split(forest.max_features, X.shape[1]),
        maxTreeDepth=forest.max_depth or 0,
        minObservationsInSplitNode=forest.min_samples_split,
        minObservationsInLeafNode=forest.min_samples_leaf,
        bootstrap=forest.bootstrap,
        maxBins=forest.max_bins,
        minBinSize=forest.min_bin_size,
        engine=daal4py.engines_mt2203(seed=seed, fptype="float"),
        varImportance="none",
    )
    threads = daal4py.num_threads()
    daal4py.daalinit(forest.n_jobs or threads)
    try:
        return training.compute(X, codes[:, None]).model
    finally:
        daal4py.daalinit(threads)


def _features_of_a_split(wanted: Any, features: int) -> int:
    """scikit-learn's `max_features` as a number."""
    if wanted is None:
        return features
    if isinstance(wanted, str):
        return max(1, int({"sqrt": math.sqrt, "log2": math.log2}[wanted](features)))
    if isinstance(wanted, Integral):
        return min(int(wanted), features)
    return max(1, int(wanted * features))
