"""Rows of requests that come together: one call of the engine, and everybody gets the answers to their own."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.serving.batcher import MOST_CALLS, QUICK_SECONDS, Batcher


class Engine:
    """Says of each row what stands in it, notes how many it was given, and refuses the value -1."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.sizes: list[int] = []
        self.batcher = Batcher(self.score)
        self.batcher._seconds = seconds

    def score(self, records: Sequence[Mapping[str, Any]]) -> tuple[list[str], NDArray[np.float64]]:
        self.sizes.append(len(records))
        values = np.array([record["value"] for record in records], dtype=np.float64)
        if (values < 0).any():
            raise ValueError("below zero")
        return [str(record["value"]) for record in records], np.column_stack([1 - values, values])


def rows(*values: int) -> list[dict[str, int]]:
    return [{"value": value} for value in values]


def test_what_waits_is_scored_in_one_call() -> None:
    engine = Engine()
    calls = [engine.batcher.add(rows(*values), at_once=False) for values in ((1,), (2, 3), (4,))]
    assert engine.sizes == []
    for call, values in zip(calls[::-1], ((4,), (2, 3), (1,)), strict=True):
        piece = engine.batcher.piece(call)
        assert piece.labels == [str(value) for value in values]
        assert piece.proba[:, 1].tolist() == list(values)
        assert piece.seconds > 0
    assert engine.sizes == [4]


@pytest.mark.parametrize(("seconds", "at_once"), [(QUICK_SECONDS / 2, False), (0.0, True)])
def test_rows_that_take_long_or_are_alone_do_not_wait(seconds: float, at_once: bool) -> None:
    engine = Engine(seconds)
    engine.batcher.add(rows(7), at_once=False)
    call = engine.batcher.add(rows(1, 2), at_once=at_once)
    assert engine.sizes == [2]
    assert engine.batcher.piece(call).labels == ["1", "2"]
    assert engine.sizes == [2]


def test_a_row_that_the_engine_refuses_fails_alone() -> None:
    engine = Engine()
    good, bad, other = (engine.batcher.add(rows(value), at_once=False) for value in (1, -1, 2))
    assert engine.batcher.piece(good).labels == ["1"]
    assert engine.batcher.piece(other).labels == ["2"]
    for _ in range(2):
        with pytest.raises(ValueError, match="below zero"):
            engine.batcher.piece(bad)
    with pytest.raises(ValueError, match="below zero"):
        engine.batcher.add(rows(-1), at_once=True)


def test_calls_that_nobody_asks_for_do_not_pile_up() -> None:
    engine = Engine()
    for value in range(3 * MOST_CALLS):
        engine.batcher.add(rows(value), at_once=False)
        # the estimate of a busy machine would score some at once
        engine.batcher._seconds = 0.0
    assert engine.sizes == [MOST_CALLS] * 3
    assert not engine.batcher._waiting


def test_threads_at_once_get_their_own_answers() -> None:
    engine = Engine()

    def work(value: int) -> bool:
        call = engine.batcher.add(rows(value, value + 1), at_once=value % 5 == 0)
        return engine.batcher.piece(call).labels == [str(value), str(value + 1)]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(2_000)))
    assert sum(engine.sizes) == 4_000
