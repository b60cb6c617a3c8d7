"""Calls of an event loop that wait for the commits of the log.

Small groups are committed by the loop itself, see `loop_commit`. The writer's thread commits the others, and wakes the loop once
for all calls that it has finished.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from django.conf import settings

from predictions.log.writing.group_commit import Waiting, log
from predictions.log.writing.loop_commit import LoopCommit
from predictions.log.writing.rows import ROWS_FOR_COPY, LogRows
from predictions.serving import metrics

# seconds between looks for calls whose deadline has passed
SWEEP_SECONDS = 0.1


class Awaited(Waiting):
    """The rows of a call that awaits `stored`, which becomes the rows or the error."""

    __slots__ = ("_commits", "stored")

    def __init__(
        self, commits: "AwaitedCommits", rows: LogRows, stored: "asyncio.Future[LogRows]", deadline: float
    ) -> None:
        super().__init__(rows, deadline)
        self.stored = stored
        self._commits = commits

    def wake(self) -> None:
        self._commits.note(self)

    def end(self, error: Exception | None) -> None:
        """Continue the call; on the loop."""
        if self.stored.done():
            return
        log.release(self)
        if error:
            self.stored.set_exception(error)
        else:
            self.stored.set_result(self.rows)


class AwaitedCommits:
    """The waiting calls of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Awaited] = deque()
        # calls that are not on their way to the log yet
        self._pending: deque[Awaited] = deque()
        self._finished: deque[Awaited] = deque()
        self._is_told = self._is_sweeping = False
        self._own = LoopCommit(loop, self._committed, self._failed)

    def open(self) -> None:
        """Let the loop commit by itself where it can."""
        self._own.open()

    def put(self, calls: Sequence[tuple[LogRows, "asyncio.Future[LogRows]"]]) -> None:
        """Commit the rows of calls together; each call awaits its future. On the loop."""
        deadline = time.monotonic() + settings.CLFSITE_LOG_SECONDS
        for rows, stored in calls:
            waiting = Awaited(self, rows, stored, deadline)
            try:
                log.reserve(waiting)
            except Exception as error:  # noqa: BLE001  the call raises it
                stored.set_exception(error)
            else:
                self._pending.append(waiting)
                self._waiting.append(waiting)
        self._send()
        if not self._is_sweeping:
            self._sweep()

    def _send(self) -> None:
        """Send the pending calls to the log, those of a small group without the writer."""
        if not self._own.is_open or log.is_stuck:
            group, self._pending = [*self._pending], deque()
            if group:
                log.put(group)
            return
        while self._pending and not self._own.group:
            group, rows = [], 0
            while self._pending and (not group or rows + len(self._pending[0].rows) < ROWS_FOR_COPY):
                waiting = self._pending.popleft()
                # one that was late already is not stored
                if not waiting.stored.done():
                    group.append(waiting)
                    rows += len(waiting.rows)
            if rows >= ROWS_FOR_COPY:
                log.put(group)
            elif group:
                self._own.send(group)

    def _committed(self, group: Sequence[Awaited]) -> None:
        """Answer calls after the next ones are on their way."""
        self._send()
        for waiting in group:
            waiting.end(None)

    def _failed(self, group: Sequence[Awaited]) -> None:
        """Leave calls to the writer."""
        log.put(group)
        self._send()

    def note(self, waiting: Awaited) -> None:
        """Continue a call soon; in the writer's thread."""
        self._finished.append(waiting)
        if not self._is_told:
            self._is_told = True
            self._loop.call_soon_threadsafe(self._continue)

    def _continue(self) -> None:
        self._is_told = False
        while self._finished:
            waiting = self._finished.popleft()
            waiting.end(waiting.failure())

    def _sweep(self) -> None:
        """End the calls whose deadline has passed, and look again if any wait."""
        self._own.look()
        now = time.monotonic()
        while self._waiting and (self._waiting[0].stored.done() or self._waiting[0].deadline <= now):
            self._waiting.popleft().end(log.lateness())
        self._is_sweeping = bool(self._waiting)
        metrics.log_queue_rows.set(log.rows)
        if self._is_sweeping:
            self._loop.call_later(SWEEP_SECONDS, self._sweep)
