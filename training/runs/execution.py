"""Carrying out training jobs: the search, the version, its activation and what is told of it."""

import contextlib
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

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
    run: Run, *, jobs: int = -1, report: Callable[[Progress], None] = lambda progress: None
) -> Version | None:
    """Train what a claimed run asks for, in this process; the run's row tells how it ended.

    Returns:
        The new version, or None when the run failed or is no longer this process's.
    """

    def note(progress: Progress) -> None:
        run.note(progress)
        report(progress)

    try:
        note(Progress(0, 1, phase=Phase.READ))
        frame, agreed = load_corrected(run.dataset, run.corrections)
        trained = train(frame, agreed, run.recipe, jobs=jobs, report=note, spread=_cluster)
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
    # last, as a server may keep it waiting
    track_version(version, trained)
    return version


def _activate(run: Run, version: Version) -> None:
    """Let the new version answer, as the run was asked to; the version stands where that cannot be."""
    actor = run.created_by.get_username() if run.created_by else "command line"
    try:
        activate_version(version=version, actor=actor, reason=f"activated by run {run.pk} on completion")
    except ProblemError as error:
        logger.warning("%s was not activated: %s", version, error)
        run.warn(f"{version} was not activated: {error}")


def _cluster() -> AbstractContextManager[None]:
    """Where the search's fits are done: on the Dask cluster of CLFSITE_DASK_ADDRESS, without one on this machine."""
    if not settings.CLFSITE_DASK_ADDRESS:
        return contextlib.nullcontext()
    from training.runs import cluster  # takes a second, which those without one need not pay

    return cluster.connected(settings.CLFSITE_DASK_ADDRESS)


def track_version(version: Version, trained: Trained) -> None:
    """Tell Weights & Biases of a new version; the version stands whatever comes of it."""
    tracked = tracking.record(version, trained)
    Run.objects.filter(pk=version.run_id).update(tracking_url=tracked.url)
    if tracked.warning:
        version.run.warn(tracked.warning)
