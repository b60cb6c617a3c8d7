"""Fitted forests and boosted trees of scikit-learn, LightGBM and CatBoost, as parts of a graph from features to probabilities.

scikit-learn's forests and CatBoost compare float32 features with thresholds, the other boosted trees float64 features; both
are exact in double precision.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier

from training.ml.serve.onnx_graph import Graph, Matrix, Predict
from training.ml.serve.onnx_trees import MAX_NODES, Trees

# bits of a word in scikit-learn's sets of categories
WORD = 32


ONE = np.ones((1, 1))


def forest(model: RandomForestClassifier | ExtraTreesClassifier, graph: Graph, features: str) -> str | None:
    """Add a forest to a graph and return the name of its probabilities, or None if the forest is too large."""
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
    votes = trees.add_to(graph, _rounded(graph, features), len(targets))
    return graph.add("Div", votes, np.array(float(trees.count)))


def _rounded(graph: Graph, features: str) -> str:
    """Add the rounding of features to float32."""
    rounded = graph.add("Cast", features, attributes=[("to", TensorProto.FLOAT)])
    return graph.add("Cast", rounded, attributes=[("to", TensorProto.DOUBLE)])


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


def boosting(model: HistGradientBoostingClassifier, graph: Graph, features: str) -> str | None:
    """Add histogram gradient boosting to a graph, see `forest`; None if its categories are not codes from 0 on."""
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
    return _boosted(trees, graph, features, baseline)


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


def light_boosting(model: Any, graph: Graph, features: str) -> str | None:
    """Add LightGBM's boosting to a graph, see `forest`."""
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
    return _boosted(trees, graph, features, np.zeros((1, count)))


def cat_boosting(model: Any, graph: Graph, features: str) -> str | None:
    """Add CatBoost's boosting to a graph, see `forest`.

    All nodes of one depth of its trees have the same split; the bits of a leaf's number are the answers of the splits.
    """
    with TemporaryDirectory() as folder:
        model.save_model(f"{folder}/model", format="json")
        dumped = json.loads(Path(folder, "model").read_bytes())
    columns = np.array([column["flat_feature_index"] for column in dumped["features_info"]["float_features"]])
    trees, baseline = Trees(), np.array(dumped["scale_and_bias"][1], dtype=np.float64).reshape(1, -1)
    scale, targets = dumped["scale_and_bias"][0], np.arange(baseline.shape[1])
    for tree in dumped["oblivious_trees"]:
        # the split of the highest bit first
        splits = (tree["splits"] or [])[::-1]
        inner = 2 ** len(splits) - 1
        depth = np.log2(np.arange(1, inner + 1)).astype(np.intp)
        number = np.arange(2 * inner + 1)
        leaves = np.zeros(inner + 1)
        borders = np.array([split["border"] for split in splits], dtype=np.float32)
        asked = columns[[split["float_feature_index"] for split in splits]]
        trees.add(
            np.append(asked[depth], leaves),
            np.append(borders[depth].astype(np.float64), leaves),
            2 * number + 1,
            2 * number + 2,
            number >= inner,
            np.vstack(
                [np.zeros((inner, len(targets))), scale * np.reshape(tree["leaf_values"], (-1, len(targets)))]
            ),
            targets,
        )
    return _boosted(trees, graph, _rounded(graph, features), baseline)


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


def _boosted(trees: Trees, graph: Graph, features: str, baseline: Matrix) -> str | None:
    """Add trees that add to the scores of `baseline`, (1, targets); None if sets of categories made them too large."""
    if trees.nodes > MAX_NODES:
        return None
    scores = graph.add("Add", trees.add_to(graph, features, baseline.shape[1]), baseline)
    return probabilities_of(scores, graph, baseline.shape[1])


def probabilities_of(scores: str, graph: Graph, targets: int) -> str:
    """Add the step from scores to probabilities, of two classes if there is one score; return its name."""
    if targets > 1:
        return graph.add("Softmax", scores, attributes=[("axis", 1)])
    return complemented(graph.add("Sigmoid", scores), graph)


def complemented(positive: str, graph: Graph) -> str:
    """Add the probability of the first of two classes to that of the second, (rows, 1), and return the name of both."""
    return graph.add("Concat", graph.add("Sub", ONE, positive), positive, attributes=[("axis", 1)])


def interpolated(scores: str, knots: Matrix, values: Matrix, graph: Graph) -> str:
    """Add the line through some points, like `numpy.interp`: constant before the first and after the last one.

    Args:
        scores: the name of numbers of shape (rows, 1), the name of whose values, of the same shape, is returned.
        knots, values: coordinates of the points, in the order of the knots.
    """
    if len(knots) == 1:
        knots, values = np.append(knots, knots[0] + 1), np.append(values, values[0])
    inside = graph.add("Min", graph.add("Max", scores, knots[:1]), knots[-1:])
    # a tree finds the number of the segment
    trees, order = Trees(), list(_halved(0, len(knots) - 1))
    left, right, segment = (np.array(part) for part in zip(*order, strict=True))
    is_leaf = left < 0
    threshold = np.where(is_leaf, 0.0, knots[segment])
    trees.add(
        np.zeros(len(order)), threshold, left, right, is_leaf, segment[:, None].astype(float), np.array([0])
    )
    place = graph.add("Cast", trees.add_to(graph, inside, 1), attributes=[("to", TensorProto.INT64)])
    start, value, slope = (
        graph.add("Gather", of, place) for of in (knots[:-1], values[:-1], np.diff(values) / np.diff(knots))
    )
    return graph.add("Add", value, graph.add("Mul", graph.add("Sub", inside, start), slope))


def _halved(low: int, high: int, first: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield the nodes of a balanced tree over the segments from `low` to before `high`, the root first.

    A leaf is (-1, -1, its segment); a split is (left, right, the segment whose first knot divides the others).
    """
    if high - low == 1:
        yield -1, -1, low
        return
    middle = (low + high + 1) // 2
    left = list(_halved(low, middle, first + 1))
    yield first + 1, first + 1 + len(left), middle
    yield from left
    yield from _halved(middle, high, first + 1 + len(left))
