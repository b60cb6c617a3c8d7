"""A loaded version, which returns probabilities and labels of records with the fastest accepted engine."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from training.ml.judge.decision import Decision, arranged, probabilities
from training.ml.serve.compiled import Compiled, agrees, compile_pipeline, edge_rows, fastest_from
from training.ml.serve.compiled_trees import many_rows
from training.ml.serve.onnx_graph import Predict
from training.ml.tables.contract import Contract

logger = logging.getLogger(__name__)

SCIKIT_LEARN = "scikit-learn"


def choose_engine(
    pipeline: Pipeline,
    contract: Contract,
    held_out: pd.DataFrame,
    threshold: float | None,
    *,
    compiles: bool = True,
) -> dict[str, Any]:
    """Compile a pipeline and accept the result only if its predictions match those of scikit-learn.

    Args:
        held_out: prepared rows, shape (rows, features). All of them are compared, and also rows made from them with
            missing, unseen and extreme values.
        compiles: whether to compile it at all.

    Returns:
        JSON values: `name` of the engine, `scikit_learn_from` (rows of a batch from which scikit-learn is faster, or
        None), and `reason` if the pipeline was not compiled.
    """
    if not compiles:
        return _plain("compiled models are switched off")
    try:
        compiled = compile_pipeline(pipeline, contract)
    except Exception as error:  # noqa: BLE001  other releases of scikit-learn may raise anything here
        return _plain(f"{type(error).__name__}: {error}"[:200])
    if compiled is None:
        return _plain("the estimator cannot be compiled or is too large")
    decision = Decision(contract.classes, contract.positive, threshold)
    for rows in (held_out, edge_rows(contract, held_out)):
        if not agrees(compiled, pipeline, rows, decision):
            return _plain("the compiled predictions differ from scikit-learn's")
    return {
        "name": compiled.engine,
        "scikit_learn_from": fastest_from(compiled, pipeline, held_out),
        "reason": "",
    }


def _plain(reason: str) -> dict[str, Any]:
    return {"name": SCIKIT_LEARN, "scikit_learn_from": 1, "reason": reason}


@dataclass(frozen=True)
class LoadedModel:
    """A fitted pipeline with its contract. `compiled` is used instead of the pipeline where it is faster."""

    pipeline: Pipeline
    contract: Contract
    threshold: float | None
    compiled: Compiled | None = None
    scikit_learn_from: int | None = None
    # see `Decision`
    costs: tuple[tuple[float, ...], ...] | None = None

    @classmethod
    def load(
        cls,
        pipeline: Pipeline,
        contract: Contract,
        threshold: float | None,
        engine: Mapping[str, Any],
        known: Sequence[Mapping[str, Any]],
    ) -> Self:
        """Load a version with the engine that `choose_engine` accepted at its registration.

        Args:
            known: records on which both engines are compared again; scikit-learn is used if they differ.
        """
        if engine.get("name", SCIKIT_LEARN) == SCIKIT_LEARN:
            return cls(pipeline, contract, threshold)
        compiled, plain = compile_pipeline(pipeline, contract), cls(pipeline, contract, threshold)
        if compiled is None or not agrees(compiled, pipeline, contract.frame(known), plain.decision):
            logger.error("the predictions of the engine %s differ from those at registration", engine["name"])
            return plain
        return cls(pipeline, contract, threshold, compiled, engine["scikit_learn_from"])

    def deciding(self, threshold: float | None, costs: tuple[tuple[float, ...], ...] | None) -> Self:
        """Return the model with another threshold or other costs."""
        if (threshold, costs) == (self.threshold, self.costs):
            return self
        return replace(self, threshold=threshold, costs=costs)

    @cached_property
    def decision(self) -> Decision:
        """The rule that turns probabilities into labels."""
        return Decision(self.contract.classes, self.contract.positive, self.threshold, self.costs)

    @property
    def engine(self) -> str:
        """The name of the engine for single rows."""
        return self.compiled.engine if self.compiled else SCIKIT_LEARN

    def score(self, records: Sequence[Mapping[str, Any]]) -> tuple[list[str], NDArray[np.float64]]:
        """Score records that the contract has accepted.

        Returns:
            (labels, probabilities): lengths (records,) and (records, classes), in the contract's class order.
        """
        if self.compiled and not self._is_large(len(records)):
            proba = self.compiled.predict(self.compiled.preprocessor.records(records))
        else:
            proba = self.proba(self.contract.frame(records))
        return self.labels(proba), proba

    def proba(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the probabilities of a frame prepared by the contract, shape (rows, classes)."""
        if self.compiled is None:
            return probabilities(self.pipeline, frame, self.contract.classes)
        return self._predict(self.compiled, self.compiled.preprocessor.frame(frame))

    def score_arrays(
        self, arrays: Mapping[str, NDArray[Any]], count: int
    ) -> tuple[list[str], NDArray[np.float64]]:
        """Score `count` accepted rows, given as the columns of a prepared frame; see `score`."""
        if self.compiled is None:
            proba = self.proba(pd.DataFrame(arrays))
        else:
            proba = self._predict(self.compiled, self.compiled.preprocessor.arrays(arrays, count))
        return self.labels(proba), proba

    def _predict(self, compiled: Compiled, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities of scaled features with the engine that is faster for this number of rows."""
        if self._is_large(len(X)):
            classes = self.pipeline.named_steps["model"].classes_
            return arranged(self._many_rows(X), classes, self.contract.classes)
        return compiled.predict(X)

    @cached_property
    def _many_rows(self) -> Predict:
        return many_rows(self.pipeline.named_steps["model"])

    def labels(self, proba: NDArray[np.float64]) -> list[str]:
        """Return the label of each row of probabilities."""
        labels: list[str] = self.decision.labels(proba).tolist()
        return labels

    def _is_large(self, rows: int) -> bool:
        return self.scikit_learn_from is not None and rows >= self.scikit_learn_from
