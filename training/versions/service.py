"""What runs produced: registered whole, checked before it is used, and one version at a time in force."""

from typing import Any

from django.core.files import File
from django.db import transaction
from django.db.models import Max

from clfsite.core.errors import Conflict, InvalidInput, NotFound
from clfsite.core.storage import files
from training.ml.serve import artifact
from training.ml.serve.loaded_model import Scorer
from training.ml.train import Trained
from training.models import Activation, Classifier, Run, Version

# as the column of the row is declared
LONGEST_REASON = 500


def register_version(*, run: Run, trained: Trained) -> Version:
    """Write the artifacts, then the version's row and the run's end in one transaction.

    A crash before the commit leaves files without a row, which a later attempt writes under another name;
    any exception takes the files back.
    """
    parts = {
        "pipeline": trained.pipeline,
        "model": trained.pipeline.named_steps["model"],
        "preprocessor": trained.pipeline.named_steps["preprocessor"],
    }
    store, written, artifacts = files.artifacts(), [], {}
    try:
        for part, fitted in parts.items():
            data = artifact.dump(fitted)
            name = f"run-{run.pk}/{run.claim}/{part}.joblib"
            store.create(name, data)
            written.append(name)
            artifacts[part] = {"name": name, "sha256": artifact.digest(data), "size_bytes": len(data)}
        with transaction.atomic():
            Classifier.objects.select_for_update().get(pk=run.classifier_id)
            last = Version.objects.filter(classifier=run.classifier).aggregate(last=Max("number"))["last"]
            version = Version.objects.create(
                classifier=run.classifier,
                number=(last or 0) + 1,
                run=run,
                contract_data=trained.contract.to_dict(),
                family=trained.family,
                params=trained.params,
                cross_validation=trained.cross_validation,
                held_out=trained.held_out.to_dict(),
                threshold=trained.threshold,
                artifacts=artifacts,
                libraries=artifact.libraries(),
                golden=trained.golden,
                engine=trained.engine,
            )
            if not run.succeed([vars(candidate) for candidate in trained.candidates], trained.warnings):
                raise Conflict(f"run {run.pk} was ended by another process")
    except BaseException:
        files.remove_quietly(store, written)
        raise
    return version


def activate_version(*, version: Version, actor: str, reason: str) -> Activation:
    """Make a version the one that answers, once its artifact has been loaded and checked.

    Rolling back is activating an older version.

    Raises:
        Conflict: it is active already, or its artifact is not what was recorded.
        Unavailable: storage does not answer.
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
        Unavailable: storage does not answer.
    """
    entry = version.artifacts["pipeline"]
    try:
        with files.artifacts().open(entry["name"]) as file:
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


def load_scorer(version: Version) -> Scorer:
    """Load what answers for a version.

    Raises:
        Conflict, Unavailable: see `verify_version`.
    """
    pipeline = verify_version(version)
    records = version.golden["records"]
    return Scorer.load(pipeline, version.contract, version.threshold, version.engine, records)


def open_artifact(version: Version, part: str) -> File:  # type: ignore[type-arg]
    """Open one part of a version to read, after comparing it with what was recorded.

    Raises:
        NotFound: there is no such part, or its file is gone. Conflict: it was changed.
        Unavailable: storage does not answer.
    """
    entry = version.artifacts.get(part)
    if entry is None:
        raise NotFound(f"{version} has no part called {part[:100]!r}; it has {', '.join(version.artifacts)}")
    try:
        file = files.artifacts().open(entry["name"])
    except OSError as error:
        raise NotFound(f"the {part} of {version} is gone from storage; restore it or train again") from error
    if files.digest(file) != entry["sha256"]:
        file.close()
        raise Conflict(f"the stored {part} of {version} is not what was recorded; restore it or train again")
    file.seek(0)
    return file


def artifact_path(name: str) -> str:
    """Where an artifact can be found: a path in a folder, a URL elsewhere."""
    store = files.artifacts()
    try:
        return store.path(name)
    except NotImplementedError:
        return store.url(name)
