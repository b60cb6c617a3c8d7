"""Rows of requests that come together are scored in one call of the engine, and none waits for others to come.

A call of the engine costs as much as the rows in it, and lets go of Python's lock, which then has to be waited for. So
where many requests wait for the log, each leaves its rows here, and the log's writer, which takes all that waits into one
commit, scores all that waits when it needs the first. Model servers call it dynamic batching.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Score = Callable[[Sequence[Mapping[str, Any]]], tuple[list[str], NDArray[np.float64]]]

# rows that would take longer are scored by their own request, so that the writer keeps no other waiting
QUICK_SECONDS = 0.001
# calls that are left here at most: where the log cannot be written, nobody asks for them
MOST_CALLS = 256


class Piece(NamedTuple):
    """Answers to some records: length (records,), shape (records, classes), and the seconds that they took."""

    labels: list[str]
    proba: NDArray[np.float64]
    seconds: float


class Call:
    """The records of one request, and their answers once they are known."""

    __slots__ = ("error", "piece", "records")

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.records = records
        self.piece: Piece | None = None
        self.error: Exception | None = None


class Batcher:
    """What waits to be scored by one version."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._waiting: deque[Call] = deque()
        self._lock = threading.Lock()
        # of one row, when last looked at; not known before the first
        self._seconds = QUICK_SECONDS

    def add(self, records: Sequence[Mapping[str, Any]], *, at_once: bool) -> Call:
        """Leave accepted records to be scored with others, or at once where it is asked for or would take long.

        Raises:
            Exception: what the engine says of records that it was given at once.
        """
        call = Call(records)
        if at_once or len(records) * self._seconds >= QUICK_SECONDS:
            self._answer([call])
            return call
        self._waiting.append(call)
        if len(self._waiting) >= MOST_CALLS:
            self.piece(call)
        return call

    def piece(self, call: Call) -> Piece:
        """The answers to a call's records; asks the engine for those of all that wait, where they are not known yet.

        Raises:
            Exception: what the engine says of these records.
        """
        with self._lock:
            if call.piece is None and call.error is None:
                self._answer_all([self._waiting.popleft() for _ in range(len(self._waiting))])
        if call.piece is None:
            raise call.error or AssertionError("a call was lost")
        return call.piece

    def _answer_all(self, calls: Sequence[Call]) -> None:
        """Score calls at once, or each alone where that fails, so that one does not fail another."""
        try:
            self._answer(calls)
        except Exception:  # noqa: BLE001  whichever it is meant for raises it
            for call in calls:
                try:
                    self._answer([call])
                except Exception as error:  # noqa: BLE001  raised when it is asked for
                    call.error = error

    def _answer(self, calls: Sequence[Call]) -> None:
        began = time.perf_counter()
        labels, proba = self._score(list(chain.from_iterable(call.records for call in calls)))
        self._seconds = seconds = (time.perf_counter() - began) / len(labels)
        first = 0
        for call in calls:
            part = slice(first, first + len(call.records))
            call.piece = Piece(labels[part], proba[part], seconds * len(call.records))
            first = part.stop
