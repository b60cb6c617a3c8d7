"""A loaded version: records in, probabilities and labels out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from training.ml.contract import Contract
from training.ml.metrics import decide


@dataclass(frozen=True)
class Scorer:
    """A fitted pipeline with the contract it was trained under."""

    pipeline: Pipeline
    contract: Contract
    threshold: float | None
    engine: str = "scikit-learn"

    def score(self, records: Sequence[Mapping[str, Any]]) -> tuple[list[str], NDArray[np.float64]]:
        """Score records that the contract has accepted.

        Returns:
            (labels, probabilities): lengths (records,) and (records, classes), in the contract's class order.
        """
        proba = self.pipeline.predict_proba(self.contract.frame(records))
        return [self.contract.classes[index] for index in decide(proba, self.threshold)], proba
