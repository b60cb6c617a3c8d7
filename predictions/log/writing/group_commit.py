"""Group commit: concurrent requests share one commit of the log and wait for it until a deadline.

One thread of each process writes. It starts with the first request, because a fork would not copy it, writes
all waiting rows in one transaction, and survives outages of the database: waiting rows are tried again until
their deadline. A commit without an answer is tried again with the same ids, which are unique in the log.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from django.conf import settings
from django.db import (
    DatabaseError,
    IntegrityError,
    close_old_connections,
    connection,
)

from clfsite.core.errors import Unavailable
from clfsite.core.storage import database, space
from clfsite.core.web.deferred import deferred
from predictions.log.writing.rows import LogRows, write
from predictions.serving import metrics

logger = logging.getLogger(__name__)
T = TypeVar("T")

ROWS_PER_COMMIT = 5_000
RETRY_SECONDS = 0.2
IDLE_SECONDS = 30.0
# seconds for which a failure of the writer is reported if no commit has succeeded since
FAULT_SECONDS = 10.0


def record(rows: LogRows, meanwhile: Callable[[], T]) -> T:
    """Commit the rows of a call, all or none. When this returns, they survive a crash.

    Within a transaction of the caller, they become part of that transaction.

    Args:
        meanwhile: what this thread does while the database stores the rows; its result is returned.

    Raises:
        Unavailable: the database did not store them in time. DatabaseError: it refuses these rows.
    """
    if connection.in_atomic_block:
        write([rows])
        return meanwhile()
    return log.submit(rows, meanwhile)


class Waiting:
    """The rows of one call, which wait for their commit."""

    __slots__ = ("deadline", "error", "is_finished", "rows", "was_tried")

    def __init__(self, rows: LogRows, deadline: float) -> None:
        self.rows = rows
        self.deadline = deadline
        self.error: Exception | None = None
        self.was_tried = False
        self.is_finished = False

    def finish(self, error: Exception | None = None) -> None:
        """Record that the rows are stored or not; called by the writer."""
        if not self.is_finished:
            self.error, self.is_finished = error, True
            self.wake()

    def wake(self) -> None:
        """Continue the call."""

    def failure(self) -> Exception | None:
        """What the call raises, if the rows are not stored."""
        error = self.error
        if error is None or isinstance(error, DatabaseError):
            return error
        failure = Unavailable("the log could not be written, so the prediction may not be stored; try again")
        failure.__cause__ = error
        return failure


class Blocked(Waiting):
    """The rows of a call whose thread waits."""

    __slots__ = ("_lock",)

    def __init__(self, rows: LogRows, deadline: float) -> None:
        super().__init__(rows, deadline)
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, seconds: float) -> bool:
        """Wait up to so many seconds, and return whether the writer has finished the rows."""
        return self._lock.acquire(timeout=seconds)

    def wake(self) -> None:
        self._lock.release()


class GroupCommit:
    """The writing thread of this process and the waiting rows."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Sequence[Waiting] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._owner = 0
        self._rows = 0
        self._failed_at = -FAULT_SECONDS
        self.is_stuck = self._is_full = False
        self._reason = ""

    @property
    def rows(self) -> int:
        """The number of waiting rows."""
        return self._rows

    def submit(self, rows: LogRows, meanwhile: Callable[[], T]) -> T:
        """Wait in this thread until these rows are committed; see `record`."""
        seconds = settings.CLFSITE_LOG_SECONDS
        waiting = Blocked(rows, time.monotonic() + seconds)
        self.reserve(waiting)
        try:
            self.put([waiting])
            result = meanwhile()
            if not waiting.wait(max(0.0, waiting.deadline - time.monotonic())):
                raise self.lateness()
        finally:
            self.release(waiting)
        if failure := waiting.failure():
            raise failure
        return result

    def reserve(self, waiting: Waiting) -> None:
        """Count the rows of a call as waiting, before they are put; `release` ends that.

        Raises:
            Unavailable: too many wait already.
        """
        if not self._is_running():
            self._start()
        count = len(waiting.rows)
        with self._lock:
            if self._rows and self._rows + count > settings.CLFSITE_LOG_ROWS:
                raise Unavailable(
                    f"{self._rows:,} predictions are already waiting for the log; nothing was stored, try "
                    "again"
                )
            self._rows += count

    def release(self, waiting: Waiting) -> None:
        """Count the rows of a call as waiting no longer."""
        with self._lock:
            self._rows -= len(waiting.rows)

    def put(self, calls: Sequence[Waiting]) -> None:
        """Hand the rows of calls to the writer, which commits them together."""
        self._queue.put(calls)

    def lateness(self) -> Unavailable:
        """The error of a call whose deadline has passed."""
        why = " because a disk is full" if self._is_full else ""
        return Unavailable(
            f"the log did not confirm the prediction within {settings.CLFSITE_LOG_SECONDS:g} s{why}, so it may not be "
            "stored; try again with the same Idempotency-Key to avoid a duplicate"
        )

    def problem(self) -> str:
        """The problem of the writer, or an empty string. A writer that stopped is restarted."""
        if self._owner == os.getpid() and self._thread is not None and not self._thread.is_alive():
            self._start()
            return "the log writer stopped and was restarted"
        if self.is_stuck and self._is_full:
            return f"the log cannot be written because a disk is full; {self._rows:,} predictions are waiting"
        if self.is_stuck:
            return f"the log cannot be written: {self._reason}; {self._rows:,} predictions are waiting"
        if time.monotonic() - self._failed_at < FAULT_SECONDS:
            return "the log could not be written; see the site's own log for the reason"
        return ""

    def stop(self) -> None:
        """Let the thread write the waiting rows, close its connection and stop."""
        if self._is_running():
            self._queue.put(None)
            thread = self._thread
            if thread:
                thread.join()
            self._thread = None

    def _is_running(self) -> bool:
        return self._owner == os.getpid() and self._thread is not None and self._thread.is_alive()

    def _start(self) -> None:
        with self._lock:
            if self._is_running():
                return
            if self._owner != os.getpid():  # after a fork, the waiting requests belong to the other process
                self._queue, self._rows = SimpleQueue(), 0
            self._owner = os.getpid()
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        group: list[Waiting] = []
        while True:
            if not group:
                first = self._next()
                if first is None:
                    break
                group += first
            self._gather(group)
            metrics.log_queue_rows.set(self._rows)
            group = self._commit(group)
            if not group and not self._queue.qsize():
                metrics.log_queue_rows.set(0)
            if group:
                self.is_stuck = True
                time.sleep(RETRY_SECONDS)
            else:
                self.is_stuck = False
        connection.close()

    def _next(self) -> Sequence[Waiting] | None:
        """Wait for work, and close a connection that is idle for too long."""
        while True:
            try:
                return self._queue.get(timeout=IDLE_SECONDS)
            except Empty:
                close_old_connections()

    def _gather(self, group: list[Waiting]) -> None:
        """Add the waiting rows, up to the size of one commit."""
        rows = sum(len(waiting.rows) for waiting in group)
        while rows < ROWS_PER_COMMIT and self._queue.qsize():
            calls = self._queue.get_nowait()
            if calls is None:
                self._queue.put(None)
                return
            group += calls
            rows += sum(len(waiting.rows) for waiting in calls)

    def _commit(self, group: list[Waiting]) -> list[Waiting]:
        """Write a group in one transaction and wake its requests.

        Returns:
            The requests to try again, because the database was down and their deadline has not passed.
        """
        now = time.monotonic()
        group = [waiting for waiting in group if waiting.deadline > now]
        if not group:
            return []
        began, blocks = time.perf_counter(), [waiting.rows for waiting in group]
        try:
            write(blocks)
        except Exception as error:  # noqa: BLE001  the calls that it is meant for raise it
            return self._go_on(group, error)
        deferred.change(metrics.commit_seconds, time.perf_counter() - began)
        deferred.change(metrics.commit_rows, sum(map(len, blocks)))
        self._failed_at = -FAULT_SECONDS
        for waiting in group:
            waiting.finish()
        return []

    def _go_on(self, group: list[Waiting], error: Exception) -> list[Waiting]:
        """Deal with a commit that failed; see `_commit`."""
        if reason := database.outage(error):
            logger.warning("the log cannot be written at the moment, %s: %s", reason, str(error).strip())
            self._reason = reason
            self._is_full = space.says_full(error)
            connection.close()
            metrics.commit_failures_total.inc()
            for waiting in group:
                waiting.was_tried = True
            return group
        return self._narrow(group, error)

    def _narrow(self, group: list[Waiting], error: Exception) -> list[Waiting]:
        """Find the request whose rows cannot be stored by bisection, because only that one may fail; see `_commit`."""
        if len(group) > 1:
            middle = len(group) // 2
            return self._commit(group[:middle]) + self._commit(group[middle:])
        # if an earlier attempt got no answer, an existing row means that it was committed
        was_committed = group[0].was_tried and isinstance(error, IntegrityError)
        if not isinstance(error, DatabaseError):
            logger.error("the log could not be written", exc_info=error)
            self._failed_at = time.monotonic()
        group[0].finish(None if was_committed else error)
        return []


log = GroupCommit()
