"""Rows of calls that come together: one call of the engine, and everybody gets the answers to their own."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from predictions.models import Prediction
from predictions.serving.batcher import Call, score
from predictions.serving.predict import Checked, Query, Scored


class Engine:
    """Says of each row what stands in it, notes how many it was given, and refuses the value -1."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def score(self, records: Sequence[Mapping[str, Any]]) -> tuple[list[str], NDArray[np.float64]]:
        self.sizes.append(len(records))
        values = np.array([record["value"] for record in records], dtype=np.float64)
        if (values < 0).any():
            raise ValueError("below zero")
        return [str(record["value"]) for record in records], np.column_stack([1 - values, values])

    def call(self, *values: int) -> Call:
        live: Any = SimpleNamespace(version_id=1, classifier="batcher", loaded=self)
        records = [{"value": value} for value in values]
        query = Query(live, records, Prediction.Source.API, "tests")
        return Call(Checked(query, records, {}, 0.0, None), cast("Any", None))


def test_calls_of_a_turn_are_scored_in_one_call() -> None:
    engine = Engine()
    scored = score([engine.call(1), engine.call(2, 3), engine.call(4)])
    assert engine.sizes == [4]
    for item, values in zip(scored, ((1,), (2, 3), (4,)), strict=True):
        assert isinstance(item, Scored)
        assert item.labels == [str(value) for value in values]
        assert item.proba[:, 1].tolist() == list(values)
        assert item.seconds > 0


def test_a_row_that_the_engine_refuses_fails_alone() -> None:
    engine = Engine()
    good, bad, other = score([engine.call(1), engine.call(-1), engine.call(2)])
    assert isinstance(good, Scored)
    assert isinstance(other, Scored)
    assert (good.labels, other.labels) == (["1"], ["2"])
    assert isinstance(bad, ValueError)
    assert engine.sizes == [3, 1, 1, 1]
