"""Requests for training runs; `execution` executes them."""

import contextlib
from dataclasses import replace

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from clfsite.core.errors import Conflict, InvalidInput
from clfsite.core.jobs import queue
from training.datasets.service import as_invalid_input
from training.ml.files.reading import TableError
from training.ml.search.recipe import Recipe, RecipeError
from training.ml.tables.contract import Contract, ContractError
from training.ml.tables.corrections import AS_INFERRED, Choice, Corrections, Spellings
from training.ml.tables.labels import alike, distinct
from training.models import Classifier, Dataset, Run, Version
from training.names import check_name

# exceptions of the pure core with messages for people
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
    """Create the run's row; a worker is notified after the commit, unless the caller executes the run.

    The row stores the positive class of two, so the run does not change if the default does. The recipe's column of
    groups is left out unless a correction says otherwise.

    Args:
        corrections: changes of the version's contract against the dataset's.
        classifier: its name; if empty, the dataset's. It is created with its first run.

    Raises:
        InvalidInput: the recipe or a correction does not fit the dataset.
        Conflict: the classifier is archived.
        NotFound, Conflict, Unavailable: see `load_table`.
    """
    name = classifier or dataset.name
    check_name(name, "classifier")
    if recipe.group is not None and recipe.group not in corrections.columns:
        corrections = replace(corrections, columns={**corrections.columns, recipe.group: Choice.LEAVE_OUT})
    try:
        agreed = _agree(dataset, corrections, recipe)
    except INPUT_ERRORS as error:
        raise as_invalid_input(error) from error
    with transaction.atomic():
        owner, created = Classifier.objects.get_or_create(name=name)
        if owner.archived_at:
            raise Conflict(f"the classifier {owner} is archived; restore it, or choose another name")
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
    """The contract of the version; raises one of INPUT_ERRORS if the table cannot be used for training."""
    # imported here because pandas and scikit-learn slow down the start of the site
    from training.datasets.frames import load_corrected
    from training.ml import trainer

    frame, corrected = load_corrected(dataset, corrections)
    agreed = trainer.agree(corrected, recipe)
    trainer.check(frame, agreed, recipe)
    return agreed


def request_retrain(
    *,
    version: Version,
    dataset: Dataset | None = None,
    activate: bool = False,
    user: User | None = None,
    queued: bool = True,
) -> Run:
    """Request a run with the recipe and the corrections of an earlier version.

    The positive class stays the same, and similar labels stay separate if they were.

    Args:
        dataset: the dataset; if None, the newest with the name and target of the version's dataset, which may
        be the same.

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
    """Restart a failed or cancelled run with its dataset and recipe. Fits are not stored, so the search
    starts from the beginning.

    Raises:
        Conflict: it is in another state.
    """
    with transaction.atomic():
        if not run.resume():
            raise Conflict(f"{run} is {run.state}; only a failed or cancelled run can be started again")
        transaction.on_commit(lambda: queue.wake("training.tasks.train_run", run.pk))


def stop_run(*, run: Run) -> None:
    """End the search of a running run with the best setting so far, which becomes a version.

    Raises:
        Conflict: its search is over, or has no budget of time and so does not look at the clock.
    """
    if not run.request_stop():
        reason = "its search is not under way" if run.recipe.budget_minutes else "it has no budget of minutes"
        raise Conflict(f"{run} cannot be stopped early: {reason}; it can be cancelled until it ends")


def _make_first_default(classifier: Classifier) -> None:
    """Make the first classifier the default; the constraint accepts one of several at the same time."""
    if Classifier.objects.filter(is_default=True).exists():
        return
    with contextlib.suppress(IntegrityError), transaction.atomic():
        Classifier.objects.filter(pk=classifier.pk).update(is_default=True)
