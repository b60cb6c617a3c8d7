"""Activation of versions, and access to their files; `registry` loads models."""

from django.core.files import File
from django.db import transaction

from clfsite.core.errors import Conflict, InvalidInput, NotFound
from clfsite.core.storage import files
from training.models import Activation, Classifier, Version

# characters, as declared by the model
LONGEST_REASON = 500


def activate_version(*, version: Version, actor: str, reason: str) -> Activation:
    """Activate a version after its artifact was loaded and checked.

    To roll back, activate an older version.

    Raises:
        Conflict: the version is already active or archived, or its artifact does not match its record.
        Unavailable: storage does not respond.
        InvalidInput: the reason is missing or too long.
    """
    if not reason.strip():
        raise InvalidInput("the reason is missing; say why this version is activated")
    if len(reason.strip()) > LONGEST_REASON:
        raise InvalidInput(
            f"the reason has {len(reason.strip())} characters; at most {LONGEST_REASON} are allowed"
        )
    from training.versions.registry import (
        removed,
        verify_version,  # imported here, because scikit-learn slows down the start of the site
    )

    verify_version(version)
    with transaction.atomic():
        # The lock orders simultaneous activations; the unique number is a second protection.
        classifier = Classifier.objects.select_for_update().get(pk=version.classifier_id)
        version.refresh_from_db(fields=["archived_at", "artifacts_removed_at"])
        if version.artifacts_removed_at:
            raise Conflict(removed(version))
        if archived := next((row for row in (classifier, version) if row.archived_at), None):
            raise Conflict(f"{archived} is archived; restore it first")
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


def open_artifact(version: Version, part: str) -> File:  # type: ignore[type-arg]
    """Open one artifact of a version for reading, after checking its SHA-256.

    Raises:
        NotFound: the part or its file does not exist. Conflict: the file was changed.
        Unavailable: storage does not respond.
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
    """Return the path of an artifact in a local folder, or its URL in other storages."""
    store = files.artifacts()
    try:
        return store.path(name)
    except NotImplementedError:
        return store.url(name)
