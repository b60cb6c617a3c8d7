"""What a worker does beside its jobs: it renews leases, and finds jobs whose message or owner was lost."""

import copy
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import DatabaseError, close_old_connections
from django.db.models import Q
from django.db.models.functions import Now

from clfsite.core.jobs import queue
from clfsite.core.jobs.models import LEASE, Heartbeat, Job
from clfsite.core.storage import space

logger = logging.getLogger(__name__)
RENEW_SECONDS = LEASE.total_seconds() / 4
# a queued row that no message has reached after this long gets another one
FORGOTTEN = timedelta(seconds=10)
SWEEP_SECONDS = 5.0
CHORE_SECONDS = 3_600.0
REMIND_SECONDS = 60.0
# set when the worker of this process is told to end
stopping = threading.Event()
# the kinds of jobs that the sweeper looks after, each with the task that carries one out
_tasks: dict[type[Job], str] = {}
# what the sweeper calls once an hour
_chores: list[Callable[[], object]] = [Heartbeat.objects.forget_old]


def look_after(model: type[Job], task: str) -> None:
    """Let the sweeper send this task for every job of a kind that waits too long or has lost its owner."""
    _tasks[model] = task


def every_hour(chore: Callable[[], object]) -> None:
    """Let the sweeper call this once an hour, such as to delete what is kept no longer."""
    _chores.append(chore)


def must_wait() -> bool:
    """Whether jobs are left in their queue, as a disk without room would fail them; the sweeper looks again."""
    if reason := space.fault():
        logger.warning("jobs wait: %s", reason)
    return bool(reason)


@contextmanager
def kept_alive(job: Job) -> Iterator[None]:
    """Renew the lease of a job that this very process carries out."""
    over = threading.Event()

    def renew() -> None:
        mine = copy.copy(job)
        while not over.wait(RENEW_SECONDS):
            try:
                mine.renew()
            except DatabaseError:
                logger.warning("the lease of %s could not be renewed", job)
            finally:
                close_old_connections()

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def sweep(reminded: dict[tuple[str, int], float]) -> None:
    """Send another message for every job that waits too long or whose owner is lost.

    Args:
        reminded: when each task of a job was last sent, on the monotonic clock; changed here.
    """
    # a row of the future was written by a machine whose clock is fast
    long_ago = Q(created_at__lt=Now() - FORGOTTEN) | Q(created_at__gt=Now())
    forgotten = Q(state=Job.QUEUED) & long_ago
    for model, task in _tasks.items():
        for pk in model._default_manager.filter(forgotten | model.lost()).values_list("pk", flat=True):
            if time.monotonic() - reminded.get((task, pk), -REMIND_SECONDS) >= REMIND_SECONDS:
                reminded[task, pk] = time.monotonic()
                queue.wake(task, pk)


def keep_sweeping() -> None:
    """Sweep, and say that it does, for as long as the worker of this process lives; starts a thread."""

    def run() -> None:
        reminded: dict[tuple[str, int], float] = {}
        done = time.monotonic() - CHORE_SECONDS
        while not stopping.wait(SWEEP_SECONDS):
            try:
                Heartbeat.objects.beat()
                sweep(reminded)
                if time.monotonic() - done >= CHORE_SECONDS:
                    done = time.monotonic()
                    for chore in _chores:
                        chore()
            except DatabaseError:
                logger.warning("the database does not answer; waiting jobs are looked for again in a moment")
            finally:
                close_old_connections()

    threading.Thread(target=run, name="sweeper", daemon=True).start()
