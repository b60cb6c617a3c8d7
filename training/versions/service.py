"""Activation of versions, and access to their files; `registry` loads models."""

from django.core.files import File
from django.db import transaction

from clfsite.core.errors import Conflict, InvalidInput, NotFound
from clfsite.core.storage import files
from training.ml.judge.costs import Costs
from training.models import Activation, Classifier, Version
from training.versions import costs as costs_of

# characters, as declared by the model
LONGEST_REASON = 500


def activate_version(
    *,
    version: Version,
    actor: str,
    reason: str,
    threshold: float | None = None,
    costs: Costs | None = None,
) -> Activation:
    """Activate a version after its artifact was loaded and checked, or change how the active version decides.

    To roll back, activate an older version.

    Args:
        threshold: of the positive class of two; None for the cheapest one if there are costs, and otherwise for that of the
            version.
        costs: of mistakes; with more than two classes the label of the least expected cost is answered.

    Raises:
        Conflict: the version is already active with this threshold and these costs, or archived, or its artifact does not
        match its record. Unavailable: storage does not respond. InvalidInput: the reason is missing or too long, or the
        threshold is no probability or the version has none.
    """
    _check_threshold(version, threshold)
    if costs and threshold is None and (curve := costs_of.curve(version, costs)):
        threshold = curve.cheapest
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
            _check_change(current, threshold, costs)
        return Activation.objects.create(
            classifier=classifier,
            number=current.number + 1 if current else 1,
            version=version,
            threshold=threshold,
            costs_data=costs.to_dict() if costs else {},
            actor=actor,
            reason=reason.strip(),
        )


def _check_threshold(version: Version, threshold: float | None) -> None:
    if threshold is None:
        return
    if version.threshold is None:
        raise InvalidInput(f"{version} has no threshold, because it has more than two classes; give costs")
    if not 0 <= threshold <= 1:
        raise InvalidInput(f"the threshold is {threshold!r}; expected a probability from 0 to 1")


def _check_change(current: Activation, threshold: float | None, costs: Costs | None) -> None:
    """Raise Conflict unless the active version would decide otherwise.

    Without a threshold and costs, the call is for an activation alone, which must not undo them unnoticed.
    """
    version = current.version
    if threshold is None and costs is None:
        raise Conflict(f"{version} is already active")
    if version.threshold is None and costs == current.costs:
        raise Conflict(f"{version} is already active with these costs")
    if version.threshold is not None and threshold == current.threshold_in_force:
        raise Conflict(f"{version} is already active with the threshold {threshold!r}")


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
