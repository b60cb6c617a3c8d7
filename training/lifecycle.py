"""Keeping runs alive, or ending them: one process for each, watched by whoever claimed it.

The row is the truth. A worker claims it, starts `manage.py execute_run` in a process group of its own, renews the
lease while that lives, and ends the group when the run is cancelled, takes too long, or now belongs to another.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.db.models import Q
from django.utils import timezone

from training import queue
from training.models import LEASE, Run

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RENEW_SECONDS = LEASE.total_seconds() / 4
# a queued row that no message has reached after this long gets another one
FORGOTTEN = timedelta(seconds=10)
SWEEP_SECONDS = 5.0
REMIND_SECONDS = 60.0

# set when the worker of this process is told to end
stopping = threading.Event()


def supervise(run_id: int) -> None:
    """Claim a run and see it through; does nothing when there is nothing to claim."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None or not run.start():
        return
    command = [
        sys.executable,
        str(settings.BASE_DIR / "manage.py"),
        "execute_run",
        str(run.pk),
        str(run.claim),
    ]
    child = subprocess.Popen(command, start_new_session=True)  # noqa: S603
    try:
        reason = _watch(run, child)
    finally:
        end_group(child)
    run.refresh_from_db()
    if reason:
        _close(run, reason)
    elif run.state == Run.State.RUNNING:
        run.fail(_obituary(child.returncode))


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
            run.refresh_from_db()
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
def kept_alive(run: Run) -> Iterator[None]:
    """Renew the lease of a run that this very process carries out."""
    over = threading.Event()

    def renew() -> None:
        mine = Run(pk=run.pk, claim=run.claim)
        while not over.wait(RENEW_SECONDS):
            try:
                mine.renew()
            except DatabaseError:
                logger.warning("the lease of run %s could not be renewed", run.pk)
            finally:
                close_old_connections()

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def sweep(reminded: dict[int, float]) -> None:
    """Send another message for every run that waits too long or whose owner is lost.

    Args:
        reminded: when each run was last reminded of, on the monotonic clock; changed here.
    """
    now = timezone.now()
    waiting = Run.objects.filter(
        Q(state=Run.State.QUEUED, created_at__lt=now - FORGOTTEN)
        | Q(state=Run.State.RUNNING, lease_until__lt=now)
    )
    for pk in waiting.values_list("pk", flat=True):
        if time.monotonic() - reminded.get(pk, -REMIND_SECONDS) >= REMIND_SECONDS:
            reminded[pk] = time.monotonic()
            queue.wake("training.tasks.train_run", pk)


def keep_sweeping() -> None:
    """Sweep for as long as the worker of this process lives; starts a thread."""

    def run() -> None:
        reminded: dict[int, float] = {}
        while not stopping.wait(SWEEP_SECONDS):
            try:
                sweep(reminded)
            except DatabaseError:
                logger.warning("the database does not answer; waiting runs are looked for again in a moment")
            finally:
                close_old_connections()

    threading.Thread(target=run, name="sweeper", daemon=True).start()
