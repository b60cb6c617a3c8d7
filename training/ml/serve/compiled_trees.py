"""Fitted forests and boosted trees of scikit-learn and LightGBM, as functions from features to probabilities.

scikit-learn's forests compare float32 features with float64 thresholds, all boosted trees float64 features; both are exact
in double precision.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier

from training.ml.serve.onnx_trees import MAX_NODES, Matrix, Predict, Trees

# bits of a word in scikit-learn's sets of categories
WORD = 32


def forest(model: RandomForestClassifier | ExtraTreesClassifier) -> Predict | None:
    """Return a function from scaled features to probabilities, both (rows, ...), or None if the forest is too large."""
    fitted = [estimator.tree_ for estimator in model.estimators_]
    if sum(tree.node_count for tree in fitted) > MAX_NODES:
        return None
    targets = np.arange(len(model.classes_))
    trees = Trees()
    for tree in fitted:
        # Since scikit-learn 1.3 the value of a leaf holds the shares of the classes, which the forest averages.
        shares = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
        trees.add(
            tree.feature,
            tree.threshold,
            tree.children_left,
            tree.children_right,
            tree.children_left < 0,
            shares,
            targets,
        )
    run = trees.session(model.n_features_in_, len(targets)).run

    def predict(X: Matrix) -> Matrix:
        votes = run(["y"], {"x": X.astype(np.float32).astype(np.float64)})[0]
        shares: Matrix = np.divide(votes, trees.count, dtype=np.float64)
        return shares

    return predict


def many_rows(model: Any) -> Predict:
    """Return the model's own function from scaled features to probabilities, for many rows.

    For a forest it adds up the trees as scikit-learn does, in the same order, but without its checks for each tree, which
    take as long as the trees themselves.
    """
    if not isinstance(model, RandomForestClassifier | ExtraTreesClassifier):
        return model.predict_proba  # type: ignore[no-any-return]
    fitted = [estimator.tree_ for estimator in model.estimators_]

    def predict(X: Matrix) -> Matrix:
        rows = np.ascontiguousarray(X, dtype=np.float32)
        votes = np.zeros((len(rows), len(model.classes_)))
        for tree in fitted:
            votes += tree.predict(rows)
        votes /= len(fitted)
        return votes

    return predict


def boosting(model: HistGradientBoostingClassifier) -> Predict | None:
    """Return such a function for histogram gradient boosting, or None if its categories are not codes from 0 on."""
    baseline = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1, -1)
    order = _order(model)
    if order is None:
        return None
    trees = Trees()
    for round_ in model._predictors:
        for target, predictor in enumerate(round_):
            table = predictor.nodes
            is_leaf = table["is_leaf"].astype(bool)
            trees.add(
                order[table["feature_idx"]],
                table["num_threshold"],
                table["left"],
                table["right"],
                is_leaf,
                table["value"][:, None].astype(np.float64),
                np.array([target]),
                missing_left=table["missing_go_to_left"].astype(bool),
                members={
                    int(node): _bits(predictor.raw_left_cat_bitsets[table["bitset_idx"][node]])
                    for node in np.flatnonzero(table["is_categorical"].astype(bool) & ~is_leaf)
                },
            )
    return _boosted(trees, model.n_features_in_, baseline)


def _order(model: HistGradientBoostingClassifier) -> NDArray[np.intp] | None:
    """Return the column of each feature of the trees, which have the categories first."""
    if model.is_categorical_ is None or not model.is_categorical_.any():
        return np.arange(model.n_features_in_)
    for known in model._preprocessor.named_transformers_["encoder"].categories_:
        codes = known[~np.isnan(known)]
        if not np.array_equal(codes, np.arange(len(codes))):
            return None
    categories = np.zeros(model.n_features_in_, dtype=bool)
    categories[list(model.categorical_features)] = True
    return np.concatenate([np.flatnonzero(categories), np.flatnonzero(~categories)])


def _bits(words: NDArray[np.uint32]) -> Matrix:
    """Return the numbers of the bits that are set."""
    numbers = np.arange(len(words) * WORD)
    are_set: NDArray[np.bool_] = (words[numbers // WORD] >> (numbers % WORD).astype(np.uint32)) & 1 == 1
    return np.flatnonzero(are_set).astype(np.float64)


def light_boosting(model: Any) -> Predict | None:
    """Return such a function for LightGBM's boosting, or None if it is too large."""
    booster = model.booster_
    count = booster.num_model_per_iteration()
    dumped = booster.dump_model()["tree_info"]
    if sum(2 * tree["num_leaves"] - 1 for tree in dumped) > MAX_NODES:
        return None
    trees = Trees()
    for place, tree in enumerate(dumped):
        nodes = list(_numbered(tree["tree_structure"]))
        splits = [node if "split_index" in node else {} for node, _, _ in nodes]
        is_leaf = np.array([not split for split in splits])
        among = [split.get("decision_type") == "==" for split in splits]
        thresholds = [
            0.0 if leaf or set_ else split["threshold"]
            for leaf, set_, split in zip(is_leaf, among, splits, strict=True)
        ]
        trees.add(
            np.array([split.get("split_feature", 0) for split in splits]),
            np.array(thresholds, dtype=np.float64),
            np.array([left for _, left, _ in nodes]),
            np.array([right for _, _, right in nodes]),
            is_leaf,
            np.array([[node.get("leaf_value", 0.0)] for node, _, _ in nodes]),
            np.array([place % count]),
            missing_left=np.array(
                [not set_ and _goes_left(split) for set_, split in zip(among, splits, strict=True)]
            ),
            members={
                node: np.array(split["threshold"].split("||"), dtype=np.float64)
                for node, split in enumerate(splits)
                if among[node]
            },
        )
    return _boosted(trees, model.n_features_in_, np.zeros((1, count)))


def _numbered(root: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], int, int]]:
    """Yield each node of a tree with the numbers of its children, 0 for a leaf; the root is the first."""
    waiting, following = [root], 1
    for node in waiting:
        if "split_index" not in node:
            yield node, 0, 0
            continue
        waiting += [node["left_child"], node["right_child"]]
        yield node, following, following + 1
        following += 2


def _goes_left(split: Mapping[str, Any]) -> bool:
    """Return whether a missing number goes left; where training had none, LightGBM takes it as 0."""
    if not split:
        return False
    return bool(split["default_left"] if split["missing_type"] == "NaN" else split["threshold"] >= 0)


def _boosted(trees: Trees, features: int, baseline: Matrix) -> Predict:
    """Return the function from features to probabilities of trees that add to the scores of `baseline`, (1, targets)."""
    run = trees.session(features, baseline.shape[1]).run

    def predict(X: Matrix) -> Matrix:
        raw = run(["y"], {"x": X})[0].astype(np.float64) + baseline
        if raw.shape[1] > 1:
            shares: Matrix = softmax(raw, axis=1)
            return shares
        positive = expit(raw[:, 0])
        return np.column_stack([1 - positive, positive])

    return predict
