"""Archiving hides a row and keeps it; deleting removes a row that no other row refers to, with its files."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import ForeignObjectRel, QuerySet
from django.utils import timezone

from clfsite.core.errors import Conflict, NotFound
from clfsite.core.storage import files
from training.models import Classifier, Dataset, Run, Version

Row = Classifier | Dataset | Run | Version
# what a person needs to archive, restore or delete rows of each kind
NEEDS: dict[type[Row], str] = {
    Classifier: "training.change_classifier",
    Dataset: "training.add_dataset",
    Run: "training.add_run",
    Version: "training.activate_version",
}
# processes stop serving an archived version within seconds; only then is it certain that nobody uses it
UNUSED_AFTER = timedelta(minutes=1)


def archive(row: Row) -> None:
    """Hide a row from lists and choices.

    Raises:
        Conflict: it is in use: the default classifier, an active version, or a run that has not ended.
    """
    with transaction.atomic():
        # the lock orders this and an activation or a new default
        if isinstance(row, Classifier | Version):
            pk = row.pk if isinstance(row, Classifier) else row.classifier_id
            Classifier.objects.select_for_update().get(pk=pk)
        row.refresh_from_db()
        if reason := _in_use(row):
            raise Conflict(reason)
        _rows(row).filter(archived_at=None).update(archived_at=timezone.now())


def restore(row: Row) -> None:
    """Show a row in lists again."""
    _rows(row).update(archived_at=None)


def delete(row: Row) -> None:
    """Delete an archived row and its files.

    Raises:
        Conflict: another row refers to it, or it is not archived.
        NotFound: somebody else has just deleted it.
    """
    with transaction.atomic():
        found: Row | None = _rows(row).select_for_update().first()
        if found is None:
            raise NotFound(f"{row} has already been deleted")
        row = found
        if reason := why_kept(row):
            raise Conflict(reason)
        transaction.on_commit(lambda: _remove_files(row))
        _rows(row).delete()


def why_kept(row: Row) -> str:
    """The reason why a row cannot be deleted; empty if it can."""
    if names := list(references(row)):
        return f"{row} cannot be deleted: it has {' and '.join(names)}"
    if row.archived_at is None:
        return f"{row} is not archived; archive it before you delete it"
    if isinstance(row, Version) and timezone.now() - row.archived_at < UNUSED_AFTER:
        return f"{row} was archived less than a minute ago; wait until no process serves it"
    return ""


def references(row: Row) -> Iterator[str]:
    """The kinds of rows that refer to a row, such as predictions to a version."""
    names = {
        str(relation.related_model._meta.verbose_name_plural): None
        for relation in row._meta.get_fields(include_hidden=True)
        if isinstance(relation, ForeignObjectRel)
        and relation.related_model._base_manager.filter(**{relation.field.name: row.pk}).exists()
    }
    yield from names


def _rows(row: Row) -> QuerySet[Any]:
    """The row as a query."""
    kind: Any = type(row)
    rows: QuerySet[Any] = kind.objects.filter(pk=row.pk)
    return rows


def _in_use(row: Row) -> str:
    if isinstance(row, Classifier) and row.is_default:
        return f"{row} is the default classifier; make another one the default first"
    if isinstance(row, Classifier) and row.runs.exclude(state__in=Run.OVER).exists():
        return f"{row} has a run that has not ended; cancel it first"
    if isinstance(row, Version) and row.is_active:
        return f"{row} is active; activate another version first"
    if isinstance(row, Run) and not row.is_over:
        return f"{row} is {row.state}; cancel it first"
    return ""


def _remove_files(row: Row) -> None:
    """Remove files that no row needs any longer; datasets with the same content share one."""
    if isinstance(row, Version):
        files.remove_quietly(files.artifacts(), [entry["name"] for entry in row.artifacts.values()])
    elif isinstance(row, Dataset) and not Dataset.objects.filter(sha256=row.sha256).exists():
        files.remove_quietly(files.datasets(), [row.file_name])
