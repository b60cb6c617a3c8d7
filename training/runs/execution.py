"""Execution of training runs: search, version, activation and tracking."""

import contextlib
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from django.conf import settings
from joblib.externals.loky.process_executor import TerminatedWorkerError

from clfsite.core.errors import ProblemError
from clfsite.core.storage import space
from training.datasets.frames import load_corrected
from training.ml.progress import Phase, Progress
from training.ml.trainer import Trained, train
from training.models import Run, Version
from training.runs import tracking
from training.runs.service import INPUT_ERRORS
from training.versions.registry import register_version
from training.versions.service import activate_version

logger = logging.getLogger(__name__)


def execute_run(
    run: Run,
    *,
    jobs: int = -1,
    began: float | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Version | None:
    """Execute a claimed run in this process; its row has the result.

    Args:
        began: the monotonic time at which a budget of the whole run began; None for when it was claimed.

    Returns:
        The new version, or None if the run failed or has another owner.
    """

    def note(progress: Progress) -> None:
        run.note(progress)
        report(progress)

    if began is None:
        began = time.monotonic() - (run.seconds or 0.0)
    try:
        note(Progress(0, 1, phase=Phase.READ))
        frame, agreed = load_corrected(run.dataset, run.corrections)
        trained = train(
            frame,
            agreed,
            run.recipe,
            jobs=jobs,
            report=note,
            clock=StoppableClock(run),
            began=began,
            compiles=settings.CLFSITE_COMPILED,
            spread=_cluster,
        )
        note(Progress(0, 1, phase=Phase.SAVE))
        version = register_version(run=run, trained=trained)
    except (*INPUT_ERRORS, ProblemError) as error:
        run.fail(str(error))
        return None
    except KeyboardInterrupt:
        run.fail("interrupted at the terminal")
        raise
    except (MemoryError, TerminatedWorkerError) as error:
        logger.exception("run %s ran out of memory", run.pk)
        run.fail(f"out of memory ({type(error).__name__}); use fewer rows or a smaller search space")
        return None
    except Exception as error:
        if space.says_full(error):
            logger.warning("run %s failed: a disk is full", run.pk)
            run.fail(space.JOB_ENDED)
            return None
        logger.exception("run %s failed", run.pk)
        run.fail(f"{type(error).__name__}: {error}"[:2_000])
        return None
    if run.activate_when_done:
        _activate(run, version)
    # last, because a server may delay it
    track_version(version, trained)
    return version


class StoppableClock:
    """The time in seconds. Once someone asked to stop, it leaps beyond every deadline each time it is read.

    The request is in the row, which `Run.note` reads again twice a second.
    """

    LEAP = 1e12  # seconds

    def __init__(self, run: Run) -> None:
        self.run = run
        self.leaps = 0

    def __call__(self) -> float:
        self.leaps += self.run.stop_requested_at is not None
        return time.monotonic() + self.leaps * self.LEAP

    def __reduce__(self) -> Any:
        # the processes of the search get a copy of the clock, and look at no deadline
        return partial, (time.monotonic,)


def _activate(run: Run, version: Version) -> None:
    """Activate the new version if requested; if that fails, the version is kept."""
    actor = run.created_by.get_username() if run.created_by else "command line"
    try:
        activate_version(version=version, actor=actor, reason=f"activated by run {run.pk} on completion")
    except ProblemError as error:
        logger.warning("%s was not activated: %s", version, error)
        run.warn(f"{version} was not activated: {error}")


def _cluster() -> AbstractContextManager[None]:
    """The place of the search's fits: the Dask cluster of CLFSITE_DASK_ADDRESS, or this machine."""
    if not settings.CLFSITE_DASK_ADDRESS:
        return contextlib.nullcontext()
    # imported here because it takes a second, which is only needed with a cluster
    from training.runs import cluster

    return cluster.connected(settings.CLFSITE_DASK_ADDRESS)


def track_version(version: Version, trained: Trained) -> None:
    """Record a new version at Weights & Biases; the version is kept if that fails."""
    tracked = tracking.record(version, trained)
    Run.objects.filter(pk=version.run_id).update(tracking_url=tracked.url)
    if tracked.warning:
        version.run.warn(tracked.warning)
