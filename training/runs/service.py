"""Training jobs: asked for in one place, carried out in another, both by the run's row."""

import contextlib
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from joblib.externals.loky.process_executor import TerminatedWorkerError

from clfsite.core.errors import InvalidInput, Refused
from clfsite.core.jobs import queue
from training.datasets.service import load_corrected, refusal
from training.ml import train
from training.ml.search import fold_scoring
from training.ml.search import recipe as recipes
from training.ml.tables import contract, reading
from training.ml.tables.corrections import Corrections
from training.ml.tables.inference import AS_INFERRED
from training.models import Classifier, Dataset, Run, Version
from training.names import check_name
from training.runs import tracking
from training.versions.service import activate_version, register_version

logger = logging.getLogger(__name__)

# exceptions of the pure core that tell a person what to change
REFUSALS = (reading.TableError, contract.ContractError, recipes.RecipeError)


def request_run(
    *,
    dataset: Dataset,
    recipe: recipes.Recipe,
    corrections: Corrections = AS_INFERRED,
    classifier: str = "",
    activate: bool = False,
    user: User | None = None,
    queued: bool = True,
) -> Run:
    """Create the run's row; a worker is told once the row is committed, unless the caller runs it.

    Args:
        corrections: what the version's contract is to have otherwise than the dataset's.
        classifier: its name; the dataset's where empty. Created with its first run.

    Raises:
        InvalidInput: the recipe or a correction does not fit the dataset.
        NotFound, Conflict, Unavailable: see `load_table`.
    """
    name = classifier or dataset.name
    check_name(name, "classifier")
    try:
        frame, agreed = load_corrected(dataset, corrections)
        train.check(contract.labels(frame[dataset.target].dropna()), agreed, recipe)
    except REFUSALS as error:
        raise refusal(error) from error
    with transaction.atomic():
        owner, created = Classifier.objects.get_or_create(name=name)
        if created:
            _make_first_default(owner)
        run = Run.objects.create(
            classifier=owner,
            dataset=dataset,
            recipe_data=recipe.to_dict(),
            corrections_data=corrections.to_dict(),
            activate_when_done=activate,
            fits_total=recipe.fits,
            created_by=user,
        )
        if queued:
            transaction.on_commit(lambda: queue.wake("training.tasks.train_run", run.pk))
    return run


def request_retrain(
    *,
    version: Version,
    dataset: Dataset | None = None,
    activate: bool = False,
    user: User | None = None,
    queued: bool = True,
) -> Run:
    """Ask for the next version of a classifier by the recipe and the corrections of an earlier one.

    Args:
        dataset: the newest of the name and target that the version was trained on where None is given; that may be
            the very same.

    Raises:
        InvalidInput: the dataset has another target, or the recipe or a correction does not fit it.
        NotFound: the dataset's file is gone from storage.
    """
    before = version.run.dataset
    dataset = dataset or before.newest
    if dataset.target != before.target:
        raise InvalidInput(
            f"{version} predicts {before.target}, and {dataset} is a table to predict {dataset.target} from; choose one "
            "with the same target, or start a new run"
        )
    return request_run(
        dataset=dataset,
        recipe=version.run.recipe,
        corrections=version.run.corrections,
        classifier=version.classifier.name,
        activate=activate,
        user=user,
        queued=queued,
    )


def _make_first_default(classifier: Classifier) -> None:
    """Let the first classifier of all be the default; of several at once the constraint lets one through."""
    if Classifier.objects.filter(is_default=True).exists():
        return
    with contextlib.suppress(IntegrityError), transaction.atomic():
        Classifier.objects.filter(pk=classifier.pk).update(is_default=True)


def execute_run(
    run: Run, *, jobs: int = -1, report: Callable[[fold_scoring.Progress], None] = lambda progress: None
) -> Version | None:
    """Train what a claimed run asks for, in this process; the run's row tells how it ended.

    Returns:
        The new version, or None when the run failed or is no longer this process's.
    """

    def note(progress: fold_scoring.Progress) -> None:
        run.note(progress)
        report(progress)

    try:
        frame, agreed = load_corrected(run.dataset, run.corrections)
        trained = train.train(frame, agreed, run.recipe, jobs=jobs, report=note, spread=_cluster)
        version = register_version(run=run, trained=trained)
    except (*REFUSALS, Refused) as error:
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
        activate_version(version=version, actor=actor, reason=f"activated by run {run.pk} when it was done")
    except Refused as error:
        logger.warning("%s was not activated: %s", version, error)
        run.warn(f"{version} was not activated: {error}")


def _cluster() -> AbstractContextManager[None]:
    """Where the search's fits are done: on the Dask cluster of CLFSITE_DASK_ADDRESS, without one on this machine."""
    if not settings.CLFSITE_DASK_ADDRESS:
        return contextlib.nullcontext()
    from training.runs import cluster  # takes a second, which those without one need not pay

    return cluster.connected(settings.CLFSITE_DASK_ADDRESS)


def track_version(version: Version, trained: train.Trained) -> None:
    """Tell Weights & Biases of a new version; the version stands whatever comes of it."""
    tracked = tracking.record(version, trained)
    Run.objects.filter(pk=version.run_id).update(tracking_url=tracked.url)
    if tracked.warning:
        version.run.warn(tracked.warning)
