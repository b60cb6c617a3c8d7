"""Calls on an event loop: the rows of one turn are scored in one call of the engine. No row waits for further calls.

A call of the engine costs more than a row. All calls whose bodies were complete in one turn of the loop are scored
together at its end, and their rows wait for the same commit. Model servers call this dynamic batching.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain

from django.utils import timezone

from clfsite.core.web.deferred import deferred
from predictions.log.writing.awaited import AwaitedCommits
from predictions.log.writing.rows import LogRows
from predictions.serving import metrics
from predictions.serving.predict import Answer, Checked, Query, Scored, check, count, rows_of

# seconds; rows that take longer are scored in a thread, because they would delay the other calls of the loop
QUICK_SECONDS = 0.002


@dataclass(slots=True)
class Call:
    """The accepted records of a call, and its rows of the log once they are stored.

    Attributes:
        scored: when its rows were handed to the log.
    """

    checked: Checked
    stored: "asyncio.Future[LogRows]"
    scored: float = 0.0


class Batcher:
    """The calls of the current turn of a loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: Executor) -> None:
        self._loop = loop
        self._threads = threads
        self.commits = AwaitedCommits(loop)
        self._waiting: list[Call] = []
        # seconds for one row by version, as last measured
        self._seconds: dict[int, float] = {}

    async def predict(self, query: Query) -> Answer:
        """Answer and log a few records; see `predictions.serving.predict.predict`."""
        call = Call(check(query), self._loop.create_future())
        if not self._waiting:
            self._loop.call_soon(self._end_turn)
        self._waiting.append(call)
        rows = await call.stored
        metrics.step("commit", time.perf_counter() - call.scored, query.live.classifier)
        count(query.live, rows, call.checked.unseen)
        return Answer(query.live, rows)

    def _end_turn(self) -> None:
        """Score the calls of this turn, those of each activation together."""
        calls, self._waiting = self._waiting, []
        together: dict[int, list[Call]] = {}
        for call in calls:
            together.setdefault(id(call.checked.query.live), []).append(call)
        for same in together.values():
            version = same[0].checked.query.live.version_id
            # a version that was not measured yet may be slow
            seconds = self._seconds.get(version, QUICK_SECONDS) * sum(
                len(call.checked.records) for call in same
            )
            if seconds < QUICK_SECONDS:
                self._log(same, score(same))
            else:
                self._threads.submit(self._score_apart, same)

    def _score_apart(self, calls: Sequence[Call]) -> None:
        """Score calls in a thread."""
        self._loop.call_soon_threadsafe(self._log, calls, score(calls))

    def _log(self, calls: Sequence[Call], scored: Sequence[Scored | Exception]) -> None:
        """Hand the rows of scored calls to the log."""
        now, made = timezone.now(), []
        for call, item in zip(calls, scored, strict=True):
            try:
                if isinstance(item, Exception):
                    raise item
                self._seconds[call.checked.query.live.version_id] = item.seconds / len(item.labels)
                call.scored = time.perf_counter()
                made.append((rows_of(call.checked, item, now), call.stored))
            except Exception as error:  # noqa: BLE001  the call raises it
                call.stored.set_exception(error)
        self.commits.put(made)


def score(calls: Sequence[Call]) -> list[Scored | Exception]:
    """Score calls of one version together, or separately if that fails, because one must not fail another."""
    try:
        return [*_score(calls)]
    except Exception as error:  # noqa: BLE001  the call that it is meant for raises it
        if len(calls) == 1:
            return [error]
        return [item for call in calls for item in score([call])]


def _score(calls: Sequence[Call]) -> list[Scored]:
    began = time.perf_counter()
    live = calls[0].checked.query.live
    labels, proba = live.loaded.score(list(chain.from_iterable(call.checked.records for call in calls)))
    deferred.change(metrics.engine_rows, len(labels))
    seconds = metrics.step("score", time.perf_counter() - began, live.classifier) / len(labels)
    scored, first = [], 0
    for call in calls:
        part = slice(first, first + len(call.checked.records))
        scored.append(Scored(labels[part], proba[part], seconds * (part.stop - part.start)))
        first = part.stop
    return scored
