"""How a worker claims jobs, renews their leases, and finds jobs whose message or owner was lost.

A message only wakes the worker. The next job is read from the database.
"""

import copy
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import DatabaseError, close_old_connections
from django.db.models import Q
from django.db.models.functions import Now

from clfsite.core.jobs import chores, queue
from clfsite.core.jobs.models import LEASE, Heartbeat, Job
from clfsite.core.requests import access_log
from clfsite.core.storage import space

logger = logging.getLogger(__name__)
# jobs of each of the two kinds that one worker executes at a time, so long runs leave threads for batches
EACH = 2
RENEW_SECONDS = LEASE.total_seconds() / 4
# how often a lease is renewed before it would expire
RENEWALS = 5
# time after which a queued row gets another message
FORGOTTEN = timedelta(seconds=10)
# time between two looks for jobs whose owner is lost, and between two heartbeats with looks for jobs that wait
SWEEP_SECONDS, BEAT_SECONDS = 1.0, 5.0
CHORE_SECONDS = 3_600.0
# time after the start of a worker until it first does work that may take minutes
FIRST_SECONDS = 20.0
# set when the worker of this process has to stop
stopping = threading.Event()
# the kinds of jobs of the sweeper, each with its task
_tasks: dict[type[Job], str] = {}
# functions that the sweeper calls once an hour
_chores: list[Callable[[], object]] = [Heartbeat.objects.forget_old]
# functions that another thread calls once an hour
_long_work: list[Callable[[], object]] = []
# jobs of each kind that this process is executing
_taken: Counter[type[Job]] = Counter()
_lock = threading.Lock()


def look_after(model: type[Job], task: str) -> None:
    """Register a task that the sweeper sends for each job of a kind that waits too long or has lost its owner."""
    _tasks[model] = task


def every_hour(chore: Callable[[], object]) -> None:
    """Register a function that the sweeper calls once an hour, for example to delete expired rows."""
    _chores.append(chore)


def every_hour_apart(work: Callable[[], object]) -> None:
    """Register a function that a thread of its own calls once an hour, because it may take minutes."""
    _long_work.append(work)


def must_wait() -> bool:
    """Whether jobs stay in the queue because the disk is full and they would fail; the sweeper checks again."""
    if reason := space.problem():
        logger.warning("jobs wait: %s", reason)
    return bool(reason)


def carry_out(model: type[Job], pk: int, work: Callable[[int], object]) -> None:
    """Execute a job, or one of its kind that has waited longer, then all other waiting jobs.

    If all places of the kind are taken, this does nothing: their threads look for more jobs at the end.
    """
    waiting = model._default_manager.filter(state=Job.QUEUED).order_by("pk").values_list("pk", flat=True)
    job: int | None = waiting.filter(pk__lt=pk).first() or pk
    while job is not None and _take(model):
        try:
            _work(model, job, work)
        finally:
            _give_back(model)
        is_over = stopping.is_set() or space.problem()
        job = None if is_over else waiting.filter(pk__gt=job).first()


def _work(model: type[Job], pk: int, work: Callable[[int], object]) -> None:
    """Execute a job, with a line in the log for its begin and one for its state after that.

    The lines have the id of the call that created the job.
    """
    name, began = f"{model._meta.verbose_name} {pk}", time.monotonic()
    request_id = model._default_manager.filter(pk=pk).values_list("request_id", flat=True).first()
    with access_log.on_behalf_of(request_id or ""):
        logger.info("%s: taken", name)
        try:
            work(pk)
        finally:
            logger.info("%s: %s after %.1f s", name, _state(model, pk), time.monotonic() - began)


def _state(model: type[Job], pk: int) -> str:
    try:
        return str(model._default_manager.filter(pk=pk).values_list("state", flat=True).first())
    except DatabaseError:
        return "state unknown, as the database does not answer,"


def _take(model: type[Job], places: int = EACH) -> bool:
    with _lock:
        if _taken[model] >= places:
            return False
        _taken[model] += 1
        return True


def _give_back(model: type[Job]) -> None:
    with _lock:
        _taken[model] -= 1


def assist(model: type[Job], pk: int, work: Callable[[int], object]) -> None:
    """Help with a job of another worker if a place is free; one always stays free for jobs."""
    if not _take(model, EACH - 1):
        return
    try:
        work(pk)
    finally:
        _give_back(model)


@contextmanager
def kept_alive(job: Job) -> Iterator[None]:
    """Renew the lease of a job that this process executes."""
    mine = copy.copy(job)
    with renewing(mine.renew, job.LEASE, str(job)):
        yield


@contextmanager
def renewing(renew: Callable[[], object], lease: timedelta, name: str) -> Iterator[None]:
    """Call a function that renews a lease several times before it expires, in a thread of its own."""
    over = threading.Event()

    def keep_renewing() -> None:
        while not over.wait(lease.total_seconds() / RENEWALS):
            try:
                renew()
            except DatabaseError:
                logger.warning("the lease of %s could not be renewed", name)
            finally:
                close_old_connections()

    thread = threading.Thread(target=keep_renewing, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def sweep(*, lost_only: bool = False) -> None:
    """Send messages for jobs whose owner is lost or that wait too long, at most as many as this worker has places."""
    if space.problem():
        return
    # a row from the future was written by a machine whose clock is fast
    long_ago = Q(created_at__lt=Now() - FORGOTTEN) | Q(created_at__gt=Now())
    forgotten = Q(state=Job.QUEUED) & long_ago
    for model, task in _tasks.items():
        wanted = model.lost() if lost_only else forgotten | model.lost()
        rows = model._default_manager.filter(wanted).order_by("pk")
        for pk in rows.values_list("pk", flat=True)[: EACH - _taken[model]]:
            queue.wake(task, pk)


def keep_sweeping() -> None:
    """Start a thread that sweeps and writes heartbeats while the worker of this process lives."""

    def run() -> None:
        done = beat = time.monotonic() - CHORE_SECONDS
        while not stopping.wait(SWEEP_SECONDS):
            try:
                is_time = time.monotonic() - beat >= BEAT_SECONDS
                if is_time:
                    beat = time.monotonic()
                    Heartbeat.objects.beat()
                sweep(lost_only=not is_time)
                if time.monotonic() - done >= CHORE_SECONDS:
                    done = time.monotonic()
                    for chore in _chores:
                        chore()
            except DatabaseError:
                logger.warning("the database does not answer; waiting jobs will be checked again shortly")
            finally:
                close_old_connections()

    threading.Thread(target=run, name="sweeper", daemon=True).start()
    threading.Thread(target=_keep_working, name="hourly", daemon=True).start()
    threading.Thread(target=chores.keep_doing, args=(stopping,), name="chores", daemon=True).start()


def _keep_working() -> None:
    pause = FIRST_SECONDS
    while not stopping.wait(pause):
        pause = CHORE_SECONDS
        for work in _long_work:
            try:
                work()
            except Exception:
                logger.exception("the work of this hour failed; the next attempt is in an hour")
            finally:
                close_old_connections()
