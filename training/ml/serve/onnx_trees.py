"""Ensembles of trees as ONNX models in double precision, which onnxruntime runs.

Where all splits compare numbers, the scores come out as float32, which is the only rounding: about 1e-7 of a probability.
Splits of categories need a later operator, whose scores are in double precision.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

Matrix = NDArray[np.float64]
Predict = Callable[[Matrix], Matrix]

# nodes; larger models would come close to the limit of 2 GB of a protocol buffer
MAX_NODES = 5_000_000
# versions of ONNX's operators, of its operators for trees, and of its file format
OPSET, ML_OPSET, IR_VERSION = 18, 3, 8
# the same for trees that split categories, and how its operator numbers what a split asks: at most, or among
MEMBERS_ML_OPSET, MEMBERS_IR_VERSION = 5, 10
AT_MOST, AMONG = 0, 6


@dataclass
class Trees:
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
    missing_left: list[NDArray[np.bool_]] = field(default_factory=list)
    # the codes that go left, by tree and node
    members: dict[tuple[int, int], Matrix] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.tree)

    def add(
        self,
        feature: NDArray[Any],
        threshold: NDArray[Any],
        left: NDArray[Any],
        right: NDArray[Any],
        is_leaf: NDArray[np.bool_],
        weights: Matrix,
        targets: NDArray[np.int64],
        *,
        missing_left: NDArray[np.bool_] | None = None,
        members: Mapping[int, Matrix] | None = None,
    ) -> None:
        """Add one tree.

        Args:
            feature, threshold, left, right, is_leaf: one value per node, shape (nodes,).
            weights: the amounts that a leaf adds to its targets, shape (nodes, len(targets)); only leaves are read.
            missing_left: whether a missing value goes left, shape (nodes,); None if it goes right everywhere.
            members: by node that splits categories, the codes that go left; a tree of such splits has one target.
        """
        count, tree = len(feature), len(self.tree)
        self.missing_left.append(np.zeros(count, dtype=bool) if missing_left is None else missing_left)
        self.members |= {(tree, node): codes for node, codes in (members or {}).items()}
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
        has_members = bool(self.members)
        node = helper.make_node(
            "TreeEnsemble" if has_members else "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml"
        )
        # Attributes are made one at a time, because the lists of a large forest dominate the memory as Python objects.
        for name, values in self._with_members(targets) if has_members else self._attributes(targets):
            node.attribute.append(helper.make_attribute(name, values))
        scores = TensorProto.DOUBLE if has_members else TensorProto.FLOAT
        graph = helper.make_graph(
            [node],
            "trees",
            [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, features])],
            [helper.make_tensor_value_info("y", scores, [None, targets])],
        )
        ml_opset, ir_version = (
            (MEMBERS_ML_OPSET, MEMBERS_IR_VERSION) if has_members else (ML_OPSET, IR_VERSION)
        )
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ml_opset)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=ir_version)
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
        missing_left = np.concatenate(self.missing_left)
        if missing_left.any():
            yield "nodes_missing_value_tracks_true", missing_left.astype(np.int64).tolist()
        yield "nodes_modes", np.where(np.concatenate(self.leaf), "LEAF", "BRANCH_LEQ").tolist()
        yield "nodes_values_as_tensor", _tensor("nodes_values", np.concatenate(self.threshold))
        yield "target_weights_as_tensor", _tensor("target_weights", np.concatenate(self.leaf_weight))

    def _with_members(self, targets: int) -> Iterator[tuple[str, Any]]:
        """Yield the attributes of the later operator, which keeps splits and leaves apart and numbers each in a row.

        A tree of a single leaf becomes a split with that leaf on both sides.
        """
        sizes = [len(part) for part in self.tree]
        offsets = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
        is_leaf, missing_left = np.concatenate(self.leaf), np.concatenate(self.missing_left)
        left, right = (np.concatenate(parts) + offsets for parts in (self.left, self.right))
        weights, leaf_targets = np.zeros(len(is_leaf)), np.zeros(len(is_leaf), dtype=np.int64)
        starts = np.cumsum([0, *sizes[:-1]])
        leaves = np.concatenate(self.leaf_node) + starts[np.concatenate(self.leaf_tree)]
        weights[leaves] = np.concatenate(self.leaf_weight)
        leaf_targets[:] = np.repeat([target[0] for target in self.leaf_target], sizes)
        is_split = ~is_leaf
        alone = starts[is_leaf[starts]]
        is_split[alone] = True
        left[alone] = right[alone] = alone
        split_place, leaf_place = np.cumsum(is_split) - 1, np.cumsum(is_leaf) - 1
        left, right = left[is_split], right[is_split]
        among = np.zeros(len(is_leaf), dtype=bool)
        codes = {starts[tree] + node: values for (tree, node), values in self.members.items()}
        among[list(codes)] = True
        yield from (("n_targets", targets), ("post_transform", 0), ("aggregate_function", 1))
        yield "tree_roots", split_place[starts].tolist()
        yield "nodes_featureids", np.concatenate(self.feature)[is_split].tolist()
        yield "nodes_missing_value_tracks_true", missing_left[is_split].astype(np.int64).tolist()
        for side, places in (("true", left), ("false", right)):
            yield f"nodes_{side}leafs", is_leaf[places].astype(np.int64).tolist()
            inside = np.where(is_leaf[places], leaf_place[places], split_place[places])
            yield f"nodes_{side}nodeids", inside.tolist()
        yield "leaf_targetids", leaf_targets[is_leaf].tolist()
        modes = np.where(among, AMONG, AT_MOST)[is_split].astype(np.uint8)
        yield "nodes_modes", onnx.numpy_helper.from_array(modes, "nodes_modes")
        splits = np.where(among, np.nan, np.concatenate(self.threshold))[is_split]
        yield "nodes_splits", _tensor("nodes_splits", splits)
        yield "leaf_weights", _tensor("leaf_weights", weights[is_leaf])
        # the codes of each split of categories, in the order of the splits, each list closed by NaN
        lists = [np.append(codes[place], np.nan) for place in sorted(codes)]
        yield "membership_values", _tensor("membership_values", np.concatenate(lists))


def _tensor(name: str, values: Matrix) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float64), name)
