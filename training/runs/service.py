"""Asking for training jobs; `execution` carries them out, both by the run's row."""

import contextlib
from dataclasses import replace

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from clfsite.core.errors import Conflict, InvalidInput
from clfsite.core.jobs import queue
from training.datasets.service import as_invalid_input
from training.ml.search.recipe import Recipe, RecipeError
from training.ml.tables.contract import Contract, ContractError
from training.ml.tables.corrections import AS_INFERRED, Corrections, Spellings
from training.ml.tables.labels import alike, distinct
from training.ml.tables.reading import TableError
from training.models import Classifier, Dataset, Run, Version
from training.names import check_name

# exceptions of the pure core that tell a person what to change
INPUT_ERRORS = (TableError, ContractError, RecipeError)


def request_run(
    *,
    dataset: Dataset,
    recipe: Recipe,
    corrections: Corrections = AS_INFERRED,
    classifier: str = "",
    activate: bool = False,
    user: User | None = None,
    queued: bool = True,
) -> Run:
    """Create the run's row; a worker is told once the row is committed, unless the caller runs it.

    The row names the positive class of two: what the run means does not change where the guess would.

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
        agreed = _agree(dataset, corrections, recipe)
    except INPUT_ERRORS as error:
        raise as_invalid_input(error) from error
    with transaction.atomic():
        owner, created = Classifier.objects.get_or_create(name=name)
        if created:
            _make_first_default(owner)
        run = Run.objects.create(
            classifier=owner,
            dataset=dataset,
            recipe_data=replace(recipe, positive=agreed.positive).to_dict(),
            corrections_data=corrections.to_dict(),
            activate_when_done=activate,
            fits_total=recipe.fits,
            created_by=user,
        )
        if queued:
            transaction.on_commit(lambda: queue.wake("training.tasks.train_run", run.pk))
    return run


def _agree(dataset: Dataset, corrections: Corrections, recipe: Recipe) -> Contract:
    """The contract of what the run makes; raises one of INPUT_ERRORS unless the table can be trained on so."""
    # pandas and scikit-learn, without which a site starts that is asked for nothing yet
    from training.datasets.frames import load_corrected
    from training.ml import trainer

    frame, corrected = load_corrected(dataset, corrections)
    agreed = trainer.agree(corrected, recipe)
    trainer.check(agreed.labels_of(frame), agreed, recipe)
    return agreed


def request_retrain(
    *,
    version: Version,
    dataset: Dataset | None = None,
    activate: bool = False,
    user: User | None = None,
    queued: bool = True,
) -> Run:
    """Ask for the next version of a classifier by the recipe and the corrections of an earlier one.

    The positive class stays what it was, and labels that look alike stay apart where they were.

    Args:
        dataset: the newest of the name and target that the version was trained on where None is given; that may be
            the very same.

    Raises:
        InvalidInput: the dataset has another target, or the recipe or a correction does not fit it.
        NotFound: the dataset's file is missing from storage.
    """
    before = version.run.dataset
    dataset = dataset or before.newest
    if dataset.target != before.target:
        raise InvalidInput(
            f"{version} predicts {before.target}, but the target of {dataset} is {dataset.target}; choose a "
            "dataset with the same target, or start a new run"
        )
    trained, recipe, corrections = version.contract, version.run.recipe, version.run.corrections
    if corrections.labels is None and alike(dict.fromkeys(trained.classes, 1)):
        corrections = replace(corrections, labels=Spellings.KEEP)
    classes = dataset.contract.classes
    count = distinct(classes) if corrections.labels is Spellings.MERGE else len(classes)
    return request_run(
        dataset=dataset,
        recipe=replace(recipe, positive=trained.positive if count == 2 else None),  # noqa: PLR2004
        corrections=corrections,
        classifier=version.classifier.name,
        activate=activate,
        user=user,
        queued=queued,
    )


def resume_run(*, run: Run) -> None:
    """Queue a run again that failed or was cancelled, with its dataset and recipe; a search keeps no fit, so it begins anew.

    Raises:
        Conflict: it is in another state.
    """
    with transaction.atomic():
        if not run.resume():
            raise Conflict(f"{run} is {run.state}; only a failed or cancelled run can be started again")
        transaction.on_commit(lambda: queue.wake("training.tasks.train_run", run.pk))


def _make_first_default(classifier: Classifier) -> None:
    """Let the first classifier of all be the default; of several at once the constraint lets one through."""
    if Classifier.objects.filter(is_default=True).exists():
        return
    with contextlib.suppress(IntegrityError), transaction.atomic():
        Classifier.objects.filter(pk=classifier.pk).update(is_default=True)
