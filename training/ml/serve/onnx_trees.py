"""Forests and boosted trees as ONNX models in double precision, which onnxruntime runs.

scikit-learn's trees compare float32 features with float64 thresholds, boosted ones float64 features; both are exact in
double precision. The scores come out as float32, which is the only rounding: about 1e-7 of a probability.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper
from scipy.special import expit, softmax
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier

Matrix = NDArray[np.float64]
Predict = Callable[[Matrix], Matrix]

# nodes; larger models would come close to the limit of 2 GB of a protocol buffer
MAX_NODES = 5_000_000
# versions of ONNX's operators, of its operators for trees, and of its file format
OPSET, ML_OPSET, IR_VERSION = 18, 3, 8


@dataclass
class _Nodes:
    """Nodes and leaf weights of many trees, in the parallel lists that ONNX expects."""

    tree: list[NDArray[np.int64]] = field(default_factory=list)
    node: list[NDArray[np.int64]] = field(default_factory=list)
    feature: list[NDArray[np.int64]] = field(default_factory=list)
    threshold: list[Matrix] = field(default_factory=list)
    left: list[NDArray[np.int64]] = field(default_factory=list)
    right: list[NDArray[np.int64]] = field(default_factory=list)
    leaf: list[NDArray[np.bool_]] = field(default_factory=list)
    leaf_tree: list[NDArray[np.int64]] = field(default_factory=list)
    leaf_node: list[NDArray[np.int64]] = field(default_factory=list)
    leaf_target: list[NDArray[np.int64]] = field(default_factory=list)
    leaf_weight: list[Matrix] = field(default_factory=list)

    def add(
        self,
        feature: NDArray[Any],
        threshold: NDArray[Any],
        left: NDArray[Any],
        right: NDArray[Any],
        is_leaf: NDArray[np.bool_],
        weights: Matrix,
        targets: NDArray[np.int64],
    ) -> None:
        """Add one tree.

        Args:
            feature, threshold, left, right, is_leaf: one value per node, shape (nodes,).
            weights: the amounts that a leaf adds to its targets, shape (nodes, len(targets)); only leaves are read.
        """
        count, tree = len(feature), len(self.tree)
        leaves = np.flatnonzero(is_leaf)
        self.tree.append(np.full(count, tree))
        self.node.append(np.arange(count))
        self.feature.append(np.where(is_leaf, 0, feature).astype(np.int64))
        self.threshold.append(np.where(is_leaf, 0.0, threshold))
        self.left.append(np.where(is_leaf, 0, left).astype(np.int64))
        self.right.append(np.where(is_leaf, 0, right).astype(np.int64))
        self.leaf.append(is_leaf)
        # Zeros are left out, because most leaves of a deep tree hold only one class.
        rows, columns = np.nonzero(weights[leaves])
        if not len(rows):
            rows, columns = np.array([0]), np.array([0])
        self.leaf_tree.append(np.full(len(rows), tree))
        self.leaf_node.append(leaves[rows])
        self.leaf_target.append(targets[columns])
        self.leaf_weight.append(weights[leaves[rows], columns])

    def session(self, features: int, targets: int) -> onnxruntime.InferenceSession:
        """Return a session that sums the leaf weights, with input `x` (rows, features) and output `y` (rows, targets)."""
        node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml")
        # Attributes are made one at a time, because the lists of a large forest dominate the memory as Python objects.
        for name, values in self._attributes(targets):
            node.attribute.append(helper.make_attribute(name, values))
        graph = helper.make_graph(
            [node],
            "trees",
            [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, features])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, targets])],
        )
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)
        options = onnxruntime.SessionOptions()
        # Requests run in threads of their own, with which another pool would compete for the cores.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def _attributes(self, targets: int) -> Iterator[tuple[str, Any]]:
        """Yield the attributes of the node by their names in ONNX."""
        yield from (("n_targets", targets), ("post_transform", "NONE"), ("aggregate_function", "SUM"))
        for name, parts in (
            ("nodes_treeids", self.tree),
            ("nodes_nodeids", self.node),
            ("nodes_featureids", self.feature),
            ("nodes_truenodeids", self.left),
            ("nodes_falsenodeids", self.right),
            ("target_treeids", self.leaf_tree),
            ("target_nodeids", self.leaf_node),
            ("target_ids", self.leaf_target),
        ):
            yield name, np.concatenate(parts).tolist()
        yield "nodes_modes", np.where(np.concatenate(self.leaf), "LEAF", "BRANCH_LEQ").tolist()
        yield "nodes_values_as_tensor", _tensor("nodes_values", np.concatenate(self.threshold))
        yield "target_weights_as_tensor", _tensor("target_weights", np.concatenate(self.leaf_weight))


def forest(model: RandomForestClassifier | ExtraTreesClassifier) -> Predict | None:
    """Return a function from scaled features to probabilities, both (rows, ...), or None if the forest is too large."""
    trees = [estimator.tree_ for estimator in model.estimators_]
    if sum(tree.node_count for tree in trees) > MAX_NODES:
        return None
    targets = np.arange(len(model.classes_))
    nodes = _Nodes()
    for tree in trees:
        # Since scikit-learn 1.3 the value of a leaf holds the shares of the classes, which the forest averages.
        shares = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
        nodes.add(
            tree.feature,
            tree.threshold,
            tree.children_left,
            tree.children_right,
            tree.children_left < 0,
            shares,
            targets,
        )
    run, count = nodes.session(model.n_features_in_, len(targets)).run, len(trees)

    def predict(X: Matrix) -> Matrix:
        votes = run(["y"], {"x": X.astype(np.float32).astype(np.float64)})[0]
        shares: Matrix = np.divide(votes, count, dtype=np.float64)
        return shares

    return predict


def boosting(model: HistGradientBoostingClassifier) -> Predict | None:
    """Return such a function for histogram gradient boosting without categorical splits."""
    if model.is_categorical_ is not None and np.any(model.is_categorical_):
        return None
    baseline = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1, -1)
    nodes = _Nodes()
    for round_ in model._predictors:
        for target, predictor in enumerate(round_):
            table = predictor.nodes
            nodes.add(
                table["feature_idx"],
                table["num_threshold"],
                table["left"],
                table["right"],
                table["is_leaf"].astype(bool),
                table["value"][:, None].astype(np.float64),
                np.array([target]),
            )
    run = nodes.session(model.n_features_in_, baseline.shape[1]).run

    def predict(X: Matrix) -> Matrix:
        raw = run(["y"], {"x": X})[0].astype(np.float64) + baseline
        if raw.shape[1] > 1:
            shares: Matrix = softmax(raw, axis=1)
            return shares
        positive = expit(raw[:, 0])
        return np.column_stack([1 - positive, positive])

    return predict


def _tensor(name: str, values: Matrix) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float64), name)
