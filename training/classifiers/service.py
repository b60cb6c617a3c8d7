"""Changes of a classifier that are not versions: what people note about it, and the default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from clfsite.core.errors import Conflict, InvalidInput
from training.archive import service as archiving
from training.models import Classifier

MOST_TAGS, LONGEST_TAG = 20, 40  # tags, characters


@dataclass(frozen=True)
class Changes:
    """The values to change; None leaves a value as it is."""

    owner: str | None = None
    notes: str | None = None
    tags: Sequence[str] | None = None
    strict: bool | None = None
    set_level: float | None = None
    review: bool | None = None
    is_default: bool | None = None
    archived: bool | None = None


def change_classifier(*, classifier: Classifier, changes: Changes) -> None:
    """Make all changes or none.

    Raises:
        InvalidInput: a tag is too long, or there are too many, or review has no level.
        Conflict: the default classifier cannot be archived, or stop being the default without another one.
    """
    values = {name: getattr(changes, name) for name in ("owner", "notes", "strict", "set_level", "review")}
    if changes.tags is not None:
        values["tags"] = _tags(changes.tags)
    with transaction.atomic():
        known = {name: value for name, value in values.items() if value is not None}
        if known:
            _check_review({**vars(classifier), **known})
            Classifier.objects.filter(pk=classifier.pk).update(**known)
        if changes.archived is False:
            archiving.restore(classifier)
        if changes.is_default is not None:
            _set_default(classifier, changes.is_default)
        if changes.archived:
            archiving.archive(classifier)
    classifier.refresh_from_db()


def _check_review(values: Mapping[str, Any]) -> None:
    if values["review"] and not values["set_level"]:
        raise InvalidInput(
            "review needs a level for the labels that cannot be excluded; choose one, or switch review off"
        )


def make_default(*, classifier: Classifier) -> None:
    """Make this classifier the default for requests without a classifier's name.

    Raises:
        Conflict: it is archived.
    """
    with transaction.atomic():
        classifier = Classifier.objects.select_for_update().get(pk=classifier.pk)
        if classifier.archived_at:
            raise Conflict(f"{classifier} is archived; restore it first")
        Classifier.objects.filter(is_default=True).exclude(pk=classifier.pk).update(is_default=False)
        Classifier.objects.filter(pk=classifier.pk).update(is_default=True)


def _set_default(classifier: Classifier, wanted: bool) -> None:
    if wanted:
        make_default(classifier=classifier)
    elif Classifier.objects.filter(pk=classifier.pk, is_default=True).exists():
        raise Conflict(f"{classifier} is the default classifier; make another one the default instead")


def _tags(written: Sequence[str]) -> list[str]:
    """The tags without blanks around them and without repetition."""
    tags = list(dict.fromkeys(filter(None, (tag.strip() for tag in written))))
    if len(tags) > MOST_TAGS:
        raise InvalidInput(f"{len(tags)} tags; at most {MOST_TAGS} are allowed")
    if long := next((tag for tag in tags if len(tag) > LONGEST_TAG or "," in tag), None):
        raise InvalidInput(f"the tag {long!r} is too long or has a comma; at most {LONGEST_TAG} characters")
    return tags
