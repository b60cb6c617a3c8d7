"""Calls of an event loop that wait for the commits of the log.

The writer's thread wakes the loop once for all calls that it has finished.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from django.conf import settings

from predictions.log.writing.group_commit import Waiting, log
from predictions.log.writing.rows import LogRows

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
        self._finished: deque[Awaited] = deque()
        self._is_told = self._is_sweeping = False

    def put(self, calls: Sequence[tuple[LogRows, "asyncio.Future[LogRows]"]]) -> None:
        """Commit the rows of calls together; each call awaits its future. On the loop."""
        deadline = time.monotonic() + settings.CLFSITE_LOG_SECONDS
        taken = []
        for rows, stored in calls:
            waiting = Awaited(self, rows, stored, deadline)
            try:
                log.reserve(waiting)
            except Exception as error:  # noqa: BLE001  the call raises it
                stored.set_exception(error)
            else:
                taken.append(waiting)
        log.put(taken)
        self._waiting += taken
        if not self._is_sweeping:
            self._sweep()

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
        now = time.monotonic()
        while self._waiting and (self._waiting[0].stored.done() or self._waiting[0].deadline <= now):
            self._waiting.popleft().end(log.lateness())
        self._is_sweeping = bool(self._waiting)
        if self._is_sweeping:
            self._loop.call_later(SWEEP_SECONDS, self._sweep)
