"""Forests that are grown only to be scored in a search: just their trees, without the rest of an estimator.

scikit-learn-intelex's own `fit` holds Python's lock while a forest grows, so no other forest can be scored meanwhile, and
its `estimators_` clone an estimator for every tree, which takes longer than reading the tree. oneDAL's functions in
`daal4py` avoid both. They grow random forests without weights; all other forests are fitted as usual.

In both cases oneDAL stores for a leaf only its number of rows and its most frequent class, and for an inner node the sums
over its leaves. These are the exact shares of the classes if each leaf holds one class. Otherwise the caller has to
compute the shares of the nodes from the training rows.
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

# `_grow` passes on these parameters; a forest with others that differ from the default is fitted as usual
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
# trees; oneDAL has this number of random streams per seed, and each tree needs one
MOST_TREES = 6024


@dataclass(frozen=True, eq=False)
class Forest:
    """A grown forest: its classes, the source of its trees, and whether their nodes hold the shares of all classes."""

    classes: NDArray[np.object_]
    features: int
    count: int
    source: Any
    is_fitted: bool
    has_shares: bool

    def trees(self) -> Iterator[Any]:
        """Yield scikit-learn's trees in the order of growth; a node's values are counts or shares of classes.

        Trees are made one at a time, because all trees of a deep forest together would double its memory.
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
        forest: one of scikit-learn or scikit-learn-intelex; it is grown by `n_jobs` threads.
        X: finite features, shape (rows, features). Trees of scikit-learn compare in float32 as well.
        y: labels, shape (rows,).
    """
    if not _is_known(forest):
        forest.fit(X, y)
        # This attribute exists only if scikit-learn-intelex fitted the forest itself instead of scikit-learn.
        has_shares = getattr(forest, "_onedal_estimator", None) is None or _has_pure_leaves(forest)
        return Forest(forest.classes_, X.shape[1], len(forest.estimators_), forest, True, has_shares)
    codes, classes = pd.factorize(y, sort=True)
    model = _grow(forest, X, codes.astype(np.float32), len(classes))
    return Forest(
        np.asarray(classes), X.shape[1], forest.n_estimators, model, False, _has_pure_leaves(forest)
    )


def _has_pure_leaves(forest: Any) -> bool:
    """Return whether trees grow until each leaf holds one class, apart from rows with equal features."""
    return forest.max_depth is None and forest.min_samples_leaf == 1 and forest.min_samples_split == 2  # noqa: PLR2004


def _is_known(forest: Any) -> bool:
    """Return whether `_grow` gives the same forest as `fit`."""
    if not can_accelerate():
        return False
    from sklearnex.ensemble import RandomForestClassifier

    if type(forest) is not RandomForestClassifier:
        return False
    params, plain = forest.get_params(), RandomForestClassifier().get_params()
    return (
        all(value == plain[name] for name, value in params.items() if name not in KNOWN)
        # scikit-learn's `fit` converts shares of the rows to numbers of rows
        and all(isinstance(params[name], Integral) for name in ("min_samples_split", "min_samples_leaf"))
        and params["n_estimators"] <= MOST_TREES
    )


def _grow(forest: Any, X: NDArray[np.float32], codes: NDArray[np.float32], classes: int) -> Any:
    """Return oneDAL's model of a forest. The random numbers of a tree depend only on the seed and its position."""
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
    """Return scikit-learn's `max_features` as a number."""
    if wanted is None:
        return features
    if isinstance(wanted, str):
        return max(1, int({"sqrt": math.sqrt, "log2": math.log2}[wanted](features)))
    if isinstance(wanted, Integral):
        return min(int(wanted), features)
    return max(1, int(wanted * features))
