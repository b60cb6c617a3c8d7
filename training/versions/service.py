"""Which version is in force, and the files of all; `registry` holds what loads them."""

from django.core.files import File
from django.db import transaction

from clfsite.core.errors import Conflict, InvalidInput, NotFound
from clfsite.core.storage import files
from training.models import Activation, Classifier, Version

# as the column of the row is declared
LONGEST_REASON = 500


def activate_version(*, version: Version, actor: str, reason: str) -> Activation:
    """Make a version the one that answers, once its artifact has been loaded and checked.

    Rolling back is activating an older version.

    Raises:
        Conflict: it is already active, or its artifact is not what was recorded.
        Unavailable: storage does not answer.
        InvalidInput: no reason was given.
    """
    if not reason.strip():
        raise InvalidInput("the reason is missing; say why this version is activated")
    if len(reason.strip()) > LONGEST_REASON:
        raise InvalidInput(
            f"the reason has {len(reason.strip())} characters; at most {LONGEST_REASON} are allowed"
        )
    from training.versions.registry import (
        verify_version,  # scikit-learn, which no start of the site waits for
    )

    verify_version(version)
    with transaction.atomic():
        # the lock makes racers wait for each other; the unique number catches what might get past it
        classifier = Classifier.objects.select_for_update().get(pk=version.classifier_id)
        current = classifier.activation
        if current and current.version_id == version.pk:
            raise Conflict(f"{version} is already active")
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


def open_artifact(version: Version, part: str) -> File:  # type: ignore[type-arg]
    """Open one part of a version to read, after comparing it with what was recorded.

    Raises:
        NotFound: there is no such part, or its file is gone. Conflict: it was changed.
        Unavailable: storage does not answer.
    """
    entry = version.artifacts.get(part)
    if entry is None:
        raise NotFound(f"{version} has no part named {part[:100]!r}; it has {', '.join(version.artifacts)}")
    try:
        file = files.artifacts().open(entry["name"])
    except OSError as error:
        raise NotFound(
            f"the {part} of {version} is missing from storage; restore it or train again"
        ) from error
    if files.digest(file) != entry["sha256"]:
        file.close()
        raise Conflict(
            f"the stored {part} of {version} differs from its recorded SHA-256; restore it or train again"
        )
    file.seek(0)
    return file


def artifact_path(name: str) -> str:
    """Where an artifact can be found: a path in a folder, a URL elsewhere."""
    store = files.artifacts()
    try:
        return store.path(name)
    except NotImplementedError:
        return store.url(name)
