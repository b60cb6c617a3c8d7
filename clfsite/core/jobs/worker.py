"""Keeping jobs alive, or ending them; a training run has a process of its own, watched by whoever claimed it.

The row is the truth. A worker claims it, starts `manage.py execute_run` in a process group of its own, renews the
lease while that lives, and ends the group when the run is cancelled, takes too long, or now belongs to another.
"""

import copy
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.db.models import Q
from django.db.models.functions import Now

from clfsite.core.jobs import queue
from clfsite.core.jobs.models import LEASE, Job
from training.models import Heartbeat, Run

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RENEW_SECONDS = LEASE.total_seconds() / 4
# a queued row that no message has reached after this long gets another one
FORGOTTEN = timedelta(seconds=10)
SWEEP_SECONDS = 5.0
CHORE_SECONDS = 3_600.0
REMIND_SECONDS = 60.0

# what a supervisor reads anew; never the claim, by which it tells whether the run is still its own
OTHERS_CHANGE = ("state", "cancel_requested_at")

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


def supervise(run_id: int) -> bool:
    """Claim a run and see it through; does nothing, and returns False, when there is nothing to claim."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None or not run.start():
        return False
    command = [
        sys.executable,
        str(settings.BASE_DIR / "manage.py"),
        "execute_run",
        str(run.pk),
        str(run.claim),
    ]
    # what a worker counts for Prometheus lies in files by process, one more for each run
    environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    child = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
    try:
        reason = _watch(run, child)
    finally:
        end_group(child)
    run.refresh_from_db(fields=OTHERS_CHANGE)
    if reason:
        _close(run, reason)
    elif run.state == Run.State.RUNNING:
        run.fail(_obituary(child.returncode))
    return True


def _watch(run: Run, child: subprocess.Popen[bytes]) -> str:
    """Wait for the process to end by itself, or for a reason to end it, which is returned."""
    renewed = began = time.monotonic()
    while True:
        try:
            child.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        else:
            return ""
        if stopping.is_set():
            return "stopping"
        if time.monotonic() - began > settings.CLFSITE_RUN_MINUTES * 60:
            return "time"
        try:
            run.refresh_from_db(fields=OTHERS_CHANGE)
            if run.cancel_requested_at and run.state == Run.State.RUNNING:
                return "cancelled"
            if time.monotonic() - renewed > RENEW_SECONDS:
                renewed = time.monotonic()
                if not run.renew() and run.state == Run.State.RUNNING:
                    return "lost"
        except DatabaseError:
            logger.warning("run %s goes on though the database does not answer", run.pk)
            close_old_connections()


def _close(run: Run, reason: str) -> None:
    if reason == "cancelled":
        run.cancel()
    elif reason == "stopping":
        run.release()
    elif reason == "time":
        run.fail(
            f"it took longer than the limit of {settings.CLFSITE_RUN_MINUTES} minutes (CLFSITE_RUN_MINUTES)"
        )


def _obituary(status: int) -> str:
    """Why a process ended without writing it down."""
    if status == -signal.SIGKILL:
        return (
            "the training process was killed, as the system does when memory runs out; use fewer rows or a smaller "
            "search space, or give the worker more memory"
        )
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"the training process ended with {how}; the worker's log has its last words"


def end_group(child: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a process and all that it started."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    child.wait()


def die_with_parent() -> None:
    """End this process group as soon as the worker that started it is gone, so that no run has two processes."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()


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
