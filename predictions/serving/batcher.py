"""Rows of concurrent requests are scored in one call of the engine. No row waits for further requests.

A call of the engine costs as much as its rows, and releases Python's lock, so the thread has to wait for the
lock afterwards. If many requests wait for the log, each adds its rows here. The log's writer, which writes
all waiting rows in one commit, scores all waiting rows when it needs the first. Model servers call this
dynamic batching.
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

# seconds; slower rows are scored by their own request, because the writer would delay other requests
QUICK_SECONDS = 0.001
# most calls that wait here, because they are not scored while the log cannot be written
MOST_CALLS = 256


class Piece(NamedTuple):
    """Answers to some records: length (records,), shape (records, classes), and the seconds that they took."""

    labels: list[str]
    proba: NDArray[np.float64]
    seconds: float


class Call:
    """The records of one request, and their predictions once they are scored."""

    __slots__ = ("error", "piece", "records")

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.records = records
        self.piece: Piece | None = None
        self.error: Exception | None = None


class Batcher:
    """The rows that wait for one version."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._waiting: deque[Call] = deque()
        self._lock = threading.Lock()
        # seconds for one row, as last measured; None before the first
        self._seconds = QUICK_SECONDS

    def add(self, records: Sequence[Mapping[str, Any]], *, at_once: bool) -> Call:
        """Queue accepted records to be scored with others, or score them now if requested or if it takes
        long.

        Raises:
            Exception: the engine failed on records that are scored now.
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
        """The predictions for a call's records. If they are not scored yet, all waiting records are scored.

        Raises:
            Exception: the engine failed on these records.
        """
        with self._lock:
            if call.piece is None and call.error is None:
                self._answer_all([self._waiting.popleft() for _ in range(len(self._waiting))])
        if call.piece is None:
            raise call.error or AssertionError("a call was lost")
        return call.piece

    def _answer_all(self, calls: Sequence[Call]) -> None:
        """Score calls together, or separately if that fails, because one must not fail another."""
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
