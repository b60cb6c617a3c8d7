"""A graph of ONNX from features to probabilities in double precision, which onnxruntime runs in one call."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

Matrix = NDArray[np.float64]
Predict = Callable[[Matrix], Matrix]

# versions of ONNX's operators, of its operators for trees, and of its file format
OPSET, ML_OPSET, IR_VERSION = 18, 3, 8
ML_DOMAIN = "ai.onnx.ml"
FEATURES, PROBABILITIES = "x", "y"


class Graph:
    """Operators in the order in which they run. A value is known by its name; that of the features is `FEATURES`."""

    def __init__(self, features: int) -> None:
        self.features = features
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(
        self,
        operator: str,
        *inputs: str | NDArray[Any],
        domain: str = "",
        attributes: Iterable[tuple[str, Any]] = (),
    ) -> str:
        """Add an operator of one output, and return the name of its value.

        Args:
            inputs: names of values, or constants.
            attributes: by their names in ONNX.
        """
        names = [self._constant(value) if isinstance(value, np.ndarray) else value for value in inputs]
        output = f"value_{len(self.nodes)}"
        node = helper.make_node(operator, names, [output], domain=domain)
        # one at a time, because the lists of a large forest dominate the memory as Python objects
        for name, value in attributes:
            node.attribute.append(helper.make_attribute(name, value))
        self.nodes.append(node)
        return output

    def _constant(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def model(self, probabilities: str, classes: int) -> onnx.ModelProto:
        """Return the model whose output `PROBABILITIES`, (rows, classes), is a value of this graph."""
        last = helper.make_node("Identity", [probabilities], [PROBABILITIES])
        graph = helper.make_graph(
            [*self.nodes, last],
            "classifier",
            [helper.make_tensor_value_info(FEATURES, TensorProto.DOUBLE, [None, self.features])],
            [helper.make_tensor_value_info(PROBABILITIES, TensorProto.DOUBLE, [None, classes])],
            self.constants,
        )
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
        return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)


def running(model: onnx.ModelProto) -> Predict:
    """Return the function of a model from features to probabilities, both (rows, ...)."""
    options = onnxruntime.SessionOptions()
    # requests run in threads of their own, with which another pool would compete for the cores
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    run, outputs = session.run, [PROBABILITIES]

    def predict(X: Matrix) -> Matrix:
        found: Matrix = run(outputs, {FEATURES: X})[0]
        return found

    return predict
