"""A training run in its own process, supervised by the worker that claimed it.

The row is the truth. The supervisor claims it, starts `manage.py execute_run` in its own process group,
renews the lease while the process runs, and kills the group if the run is cancelled, takes too long, or
belongs to another worker.
"""

import logging
import os
import signal
import subprocess
import sys
import time

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from clfsite.core import shared_memory
from clfsite.core.jobs import worker
from clfsite.core.jobs.processes import end_group
from clfsite.core.jobs.worker import RENEW_SECONDS
from training.models import Run

logger = logging.getLogger(__name__)

# seconds between two checks of the run's row
POLL_SECONDS = 1.0
# fields that a supervisor reads again; not the claim, because it identifies the owner
OTHERS_CHANGE = ("state", "cancel_requested_at")


def supervise(run_id: int) -> bool:
    """Claim a run and supervise it; returns False if there is nothing to claim."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None or worker.must_wait() or not run.start():
        return False
    command = [
        sys.executable,
        str(settings.BASE_DIR / "manage.py"),
        "execute_run",
        str(run.pk),
        str(run.claim),
    ]
    # the worker's metrics are in one file per process, and each run would add one
    environment = {name: value for name, value in os.environ.items() if name != shared_memory.FOLDER}
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
    """Wait for the end of the process, or return a reason to kill it."""
    renewed = began = time.monotonic()
    while True:
        try:
            child.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        else:
            return ""
        if worker.stopping.is_set():
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
            logger.warning("run %s continues although the database does not answer", run.pk)
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
    """The reason why a process ended without a result."""
    if status == -signal.SIGKILL:
        return (
            "the training process was killed, probably because memory ran out; use fewer rows or a smaller "
            "search space, or give the worker more memory"
        )
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"the training process ended with {how}; see the worker's log"
