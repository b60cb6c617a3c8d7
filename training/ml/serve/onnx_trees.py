"""Ensembles of trees as an operator of ONNX.

Thresholds are compared in double precision. The scores come out as float32, which is the only rounding: about 1e-7 of a
probability.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from training.ml.serve.onnx_graph import ML_DOMAIN, Graph, Matrix

# nodes; larger models would come close to the limit of 2 GB of a protocol buffer
MAX_NODES = 5_000_000
# what a node does, as a place among the names in ONNX; numbers, because a large forest has millions of nodes
LEAF, AT_MOST, EQUAL = range(3)
MODES = np.array(["LEAF", "BRANCH_LEQ", "BRANCH_EQ"])


@dataclass
class Trees:
    """Nodes and leaf weights of many trees, in the parallel lists that ONNX expects."""

    tree: list[NDArray[np.int64]] = field(default_factory=list)
    node: list[NDArray[np.int64]] = field(default_factory=list)
    feature: list[NDArray[np.int64]] = field(default_factory=list)
    threshold: list[Matrix] = field(default_factory=list)
    left: list[NDArray[np.int64]] = field(default_factory=list)
    right: list[NDArray[np.int64]] = field(default_factory=list)
    mode: list[NDArray[np.int8]] = field(default_factory=list)
    leaf_tree: list[NDArray[np.int64]] = field(default_factory=list)
    leaf_node: list[NDArray[np.int64]] = field(default_factory=list)
    leaf_target: list[NDArray[np.int64]] = field(default_factory=list)
    leaf_weight: list[Matrix] = field(default_factory=list)
    missing_left: list[NDArray[np.bool_]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.tree)

    @property
    def nodes(self) -> int:
        """The number of nodes of all trees."""
        return sum(map(len, self.tree))

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
            members: by node that splits categories, the codes that go left.
        """
        tree = len(self.tree)
        leaves = np.flatnonzero(is_leaf)
        # Zeros are left out, because most leaves of a deep tree hold only one class.
        rows, columns = np.nonzero(weights[leaves])
        if not len(rows):
            rows, columns = np.array([0]), np.array([0])
        self.leaf_tree.append(np.full(len(rows), tree))
        self.leaf_node.append(leaves[rows])
        self.leaf_target.append(targets[columns])
        self.leaf_weight.append(weights[leaves[rows], columns])
        if missing_left is None:
            missing_left = np.zeros(len(feature), dtype=bool)
        mode = np.where(is_leaf, LEAF, AT_MOST).astype(np.int8)
        feature, threshold, left, right = (
            np.where(is_leaf, 0, values) for values in (feature, threshold, left, right)
        )
        for place, codes in (members or {}).items():
            # a chain of nodes, each of which sends one code to the left and all others on
            added = len(feature) + np.arange(len(codes) - 1)
            mode[place], threshold[place] = EQUAL, codes[0]
            following = np.append(added, right[place])
            right[place] = following[0]
            feature, left = (
                np.append(values, np.full(len(added), values[place])) for values in (feature, left)
            )
            threshold, right = np.append(threshold, codes[1:]), np.append(right, following[1:])
            mode, missing_left = (
                np.append(mode, np.full(len(added), EQUAL, dtype=np.int8)),
                np.append(missing_left, np.zeros(len(added), dtype=bool)),
            )
        self.tree.append(np.full(len(feature), tree))
        self.node.append(np.arange(len(feature)))
        self.feature.append(feature.astype(np.int64))
        self.threshold.append(threshold)
        self.left.append(left.astype(np.int64))
        self.right.append(right.astype(np.int64))
        self.mode.append(mode)
        self.missing_left.append(missing_left)

    def add_to(self, graph: Graph, features: str, targets: int) -> str:
        """Add an operator that sums the leaf weights of rows of features; return the name of the sums, (rows, targets)."""
        sums = graph.add(
            "TreeEnsembleRegressor", features, domain=ML_DOMAIN, attributes=self._attributes(targets)
        )
        return graph.add("Cast", sums, attributes=[("to", TensorProto.DOUBLE)])

    def _attributes(self, targets: int) -> Iterator[tuple[str, Any]]:
        """Yield the attributes of the operator by their names in ONNX."""
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
        yield "nodes_modes", MODES[np.concatenate(self.mode)].tolist()
        missing_left = np.concatenate(self.missing_left)
        if missing_left.any():
            yield "nodes_missing_value_tracks_true", missing_left.astype(np.int64).tolist()
        yield "nodes_values_as_tensor", _tensor("nodes_values", np.concatenate(self.threshold))
        yield "target_weights_as_tensor", _tensor("target_weights", np.concatenate(self.leaf_weight))


def _tensor(name: str, values: Matrix) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float64), name)
