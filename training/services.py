"""Everything that changes more than one row or file on the way from a CSV to an active version."""

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pandas as pd
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files import File
from django.db import IntegrityError, transaction
from django.db.models import Max
from joblib.externals.loky.process_executor import TerminatedWorkerError

from training import queue, storage, tracking
from training.errors import Conflict, InvalidInput, NotFound, TooLarge
from training.ml import artifact, contract, scoring, table
from training.ml import recipe as recipes
from training.ml import train as training
from training.ml.profile import describe
from training.models import Activation, Classifier, Dataset, Run, Version, name_validator

logger = logging.getLogger(__name__)

# as the columns of the rows are declared
LONGEST_NAME, LONGEST_TARGET, LONGEST_REASON = 100, 255, 500

# exceptions of the pure core that tell a person what to change
REFUSALS = (table.TableError, contract.ContractError, recipes.RecipeError)


def import_dataset(*, name: str, target: str, source: IO[bytes] | File, user: User | None = None) -> Dataset:  # type: ignore[type-arg]
    """Store a CSV as the next dataset of this name, or return the one that has this very content.

    Raises:
        InvalidInput: the name, the file or its target column cannot be used.
        TooLarge: more bytes than CLFSITE_UPLOAD_BYTES.
    """
    _check_name(name, "dataset")
    if len(target) > LONGEST_TARGET:
        raise InvalidInput(
            f"the target's name has {len(target)} characters; at most {LONGEST_TARGET} are taken"
        )
    with storage.scratch() as folder:
        path = folder / "table.csv"
        try:
            sha256, size = storage.copy_hashed(source, path, settings.CLFSITE_UPLOAD_BYTES)
        except OverflowError as error:
            limit = settings.CLFSITE_UPLOAD_BYTES
            raise TooLarge(
                f"the file is larger than the limit of {limit:,} bytes (CLFSITE_UPLOAD_BYTES)"
            ) from error
        existing = Dataset.objects.filter(name=name, target=target, sha256=sha256).first()
        stored = _is_stored(f"{sha256}.csv", sha256, size)
        if existing and stored:
            return existing
        frame, inferred = _read(path, target)
        if not stored:
            with path.open("rb") as file:
                storage.datasets().save(f"{sha256}.csv", File(file))
    if existing:
        return existing
    return _insert_dataset(
        name=name,
        target=target,
        sha256=sha256,
        contract_data=inferred.to_dict(),
        profile=describe(frame),
        rows=len(frame),
        columns=len(frame.columns),
        size_bytes=size,
        created_by=user,
    )


def _is_stored(name: str, sha256: str, size: int) -> bool:
    """Whether this content lies in storage unchanged."""
    store = storage.datasets()
    if not store.exists(name):
        return False
    with storage.scratch() as folder, store.open(name) as file:
        try:
            return storage.copy_hashed(file, folder / "stored", size)[0] == sha256
        except OverflowError:
            return False


def _read(path: Path, target: str) -> tuple[pd.DataFrame, contract.Contract]:
    try:
        frame = table.read_table(path)
        return frame, contract.infer(frame, target)
    except table.TableError as error:
        raise InvalidInput(str(error), [vars(fault) for fault in error.problems]) from error
    except contract.ContractError as error:
        raise InvalidInput(str(error)) from error


def _insert_dataset(**values: Any) -> Dataset:
    """Insert with the next number; two uploads at once are told apart by the constraints."""
    for _ in range(10):
        last = Dataset.objects.filter(name=values["name"]).aggregate(last=Max("number"))["last"]
        try:
            with transaction.atomic():
                return Dataset.objects.create(number=(last or 0) + 1, **values)
        except IntegrityError:
            same = {key: values[key] for key in ("name", "target", "sha256")}
            twin = Dataset.objects.filter(**same).first()
            if twin:
                return twin
    raise Conflict(f"many uploads of {values['name']} at once; try again")


def request_run(
    *,
    dataset: Dataset,
    recipe: recipes.Recipe,
    classifier: str = "",
    activate: bool = False,
    user: User | None = None,
    queued: bool = True,
) -> Run:
    """Create the run's row; a worker is told once the row is committed, unless the caller runs it.

    Args:
        classifier: its name; the dataset's where empty. Created with its first run.

    Raises:
        InvalidInput: the recipe does not fit the dataset.
        NotFound: the dataset's file is gone from storage.
    """
    name = classifier or dataset.name
    _check_name(name, "classifier")
    try:
        training.check(_labels(dataset), dataset.contract, recipe)
    except REFUSALS as error:
        raise InvalidInput(str(error)) from error
    with transaction.atomic():
        owner, created = Classifier.objects.get_or_create(name=name)
        if created:
            _make_first_default(owner)
        run = Run.objects.create(
            classifier=owner,
            dataset=dataset,
            recipe_data=recipe.to_dict(),
            activate_when_done=activate,
            fits_total=recipe.fits,
            created_by=user,
        )
        if queued:
            transaction.on_commit(lambda: queue.wake("training.tasks.train_run", run.pk))
    return run


def _make_first_default(classifier: Classifier) -> None:
    """Let the first classifier of all be the default; of several at once the constraint lets one through."""
    if Classifier.objects.filter(is_default=True).exists():
        return
    with contextlib.suppress(IntegrityError), transaction.atomic():
        Classifier.objects.filter(pk=classifier.pk).update(is_default=True)


def _check_name(name: str, what: str) -> None:
    try:
        name_validator(name)
    except ValidationError as error:
        raise InvalidInput(f"{name!r} cannot name a {what}: {error.messages[0]}") from error
    if len(name) > LONGEST_NAME:
        raise InvalidInput(f"the {what}'s name has {len(name)} characters; at most {LONGEST_NAME} are taken")


def _labels(dataset: Dataset) -> pd.Series:
    return contract.labels(load_table(dataset)[dataset.target].dropna())


def load_table(dataset: Dataset) -> pd.DataFrame:
    """Read a stored dataset, after comparing its bytes with the row's SHA-256.

    Raises:
        NotFound: its file is gone. Conflict: its file was changed.
    """
    store = storage.datasets()
    if not store.exists(dataset.file_name):
        raise NotFound(f"the file of dataset {dataset} is gone from storage; upload the table again")
    with storage.scratch() as folder:
        path = folder / "table.csv"
        try:
            with store.open(dataset.file_name) as file:
                sha256, _ = storage.copy_hashed(file, path, dataset.size_bytes)
        except OverflowError:
            sha256 = ""
        if sha256 != dataset.sha256:
            raise Conflict(
                f"the stored file of dataset {dataset} is not the one that was uploaded; upload it again"
            )
        return table.read_table(path)


def execute_run(
    run: Run, *, jobs: int = -1, report: Callable[[scoring.Progress], None] = lambda progress: None
) -> Version | None:
    """Train what a claimed run asks for, in this process; the run's row tells how it ended.

    Returns:
        The new version, or None when the run failed or is no longer this process's.
    """

    def note(progress: scoring.Progress) -> None:
        run.note(progress)
        report(progress)

    try:
        trained = training.train(
            load_table(run.dataset), run.dataset.contract, run.recipe, jobs=jobs, report=note
        )
        version = register_version(run=run, trained=trained)
    except (*REFUSALS, NotFound, Conflict) as error:
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
    _track(version, trained)
    if run.activate_when_done:
        actor = run.created_by.get_username() if run.created_by else "command line"
        activate_version(version=version, actor=actor, reason=f"activated by run {run.pk} when it was done")
    return version


def _track(version: Version, trained: training.Trained) -> None:
    """Tell Weights & Biases of a new version; the version stands whatever comes of it."""
    path = artifact_path(version.artifacts["pipeline"]["name"])
    tracked = tracking.record(version, trained, Path(path) if Path(path).is_file() else None)
    Run.objects.filter(pk=version.run_id).update(tracking_url=tracked.url)
    if tracked.warning:
        version.run.warn(tracked.warning)


def register_version(*, run: Run, trained: training.Trained) -> Version:
    """Write the artifacts, then the version's row and the run's end in one transaction.

    A crash before the commit leaves files without a row, which a later attempt writes under another name;
    any exception takes the files back.
    """
    parts = {
        "pipeline": trained.pipeline,
        "model": trained.pipeline.named_steps["model"],
        "preprocessor": trained.pipeline.named_steps["preprocessor"],
    }
    store, written, artifacts = storage.artifacts(), [], {}
    try:
        for part, fitted in parts.items():
            data = artifact.dump(fitted)
            name = f"run-{run.pk}/{run.claim}/{part}.joblib"
            storage.write(store, name, data)
            written.append(name)
            artifacts[part] = {"name": name, "sha256": artifact.digest(data), "size_bytes": len(data)}
        with transaction.atomic():
            Classifier.objects.select_for_update().get(pk=run.classifier_id)
            last = Version.objects.filter(classifier=run.classifier).aggregate(last=Max("number"))["last"]
            version = Version.objects.create(
                classifier=run.classifier,
                number=(last or 0) + 1,
                run=run,
                contract_data=run.dataset.contract_data,
                family=trained.family,
                params=trained.params,
                cross_validation=trained.cross_validation,
                held_out=trained.held_out.to_dict(),
                threshold=trained.threshold,
                artifacts=artifacts,
                libraries=artifact.libraries(),
                golden=trained.golden,
            )
            if not run.succeed([vars(candidate) for candidate in trained.candidates], trained.warnings):
                raise Conflict(f"run {run.pk} was ended by another process")
    except BaseException:
        storage.remove_quietly(store, written)
        raise
    return version


def activate_version(*, version: Version, actor: str, reason: str) -> Activation:
    """Make a version the one that answers, once its artifact has been loaded and checked.

    Rolling back is activating an older version.

    Raises:
        Conflict: it is active already, or its artifact is not what was recorded.
        InvalidInput: no reason was given.
    """
    if not reason.strip():
        raise InvalidInput("say why this version goes live; the reason is kept in its history")
    if len(reason.strip()) > LONGEST_REASON:
        raise InvalidInput(
            f"the reason has {len(reason.strip())} characters; at most {LONGEST_REASON} are kept"
        )
    verify_version(version)
    with transaction.atomic():
        # the lock makes racers wait for each other; the unique number catches what might get past it
        classifier = Classifier.objects.select_for_update().get(pk=version.classifier_id)
        current = classifier.activation
        if current and current.version_id == version.pk:
            raise Conflict(f"{version} is active already")
        return Activation.objects.create(
            classifier=classifier,
            number=current.number + 1 if current else 1,
            version=version,
            actor=actor,
            reason=reason.strip(),
        )


def make_default(*, classifier: Classifier) -> None:
    """Let this classifier answer requests that name none, in place of the one before."""
    with transaction.atomic():
        Classifier.objects.filter(is_default=True).exclude(pk=classifier.pk).update(is_default=False)
        Classifier.objects.filter(pk=classifier.pk).update(is_default=True)


def verify_version(version: Version) -> Any:
    """Load a version's pipeline and return it.

    Raises:
        Conflict: the file is gone or changed, or it no longer gives the answers recorded at training.
    """
    entry = version.artifacts["pipeline"]
    try:
        with storage.artifacts().open(entry["name"]) as file:
            data = file.read()
    except OSError as error:
        raise Conflict(
            f"the artifact of {version} is gone from storage; restore it or train again"
        ) from error
    try:
        pipeline = artifact.load(data, entry["sha256"])
        artifact.check_golden(pipeline, version.contract, version.golden)
    except artifact.ArtifactError as error:
        raise Conflict(f"{version} cannot serve: {error}") from error
    return pipeline


def artifact_path(name: str) -> str:
    """Where an artifact can be found: a path in a folder, a URL elsewhere."""
    store = storage.artifacts()
    try:
        return store.path(name)
    except NotImplementedError:
        return store.url(name)
