"""Removal of the artifacts of versions that were never active. Their rows with metrics and recipe stay.

The newest version of a classifier stays, because it waits to be activated, and so does one that was asked for
predictions or scores a batch.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone

from clfsite.core.storage import files
from predictions.batches.models import Batch
from predictions.housekeeping.stored import size_of
from predictions.models import HourlyCount
from predictions.monitoring import counts
from training.models import Activation, Classifier, Version

# files that a killed step left are looked for this long
LOOK_BACK = timedelta(days=30)


def steps(is_trial: bool) -> Iterator[tuple[int, int]]:
    """Remove the artifacts of one version after the other."""
    lately = timezone.now() - LOOK_BACK
    for version in Version.objects.filter(artifacts_removed_at__gte=lately).only("pk", "artifacts"):
        if size_bytes := _remove(version, is_trial):
            yield 1, size_bytes
    days = settings.CLFSITE_KEEP_ARTIFACTS_DAYS
    if not days:
        return
    end = timezone.now() - timedelta(days=days)
    counts.collect()
    for version in unneeded(end).only("pk", "classifier", "artifacts"):
        if not is_trial:
            with transaction.atomic():
                # an activation waits for this lock, and then sees the mark
                Classifier.objects.select_for_update().get(pk=version.classifier_id)
                if not unneeded(end).filter(pk=version.pk).update(artifacts_removed_at=timezone.now()):
                    continue
        yield 1, _remove(version, is_trial)


def unneeded(end: datetime) -> QuerySet[Version]:
    """The versions from before a moment whose artifacts nobody needs."""
    of_version = {"version": OuterRef("pk")}
    newest = Version.objects.filter(classifier=OuterRef("classifier")).order_by("-number")
    return (
        Version.objects.filter(created_at__lt=end, artifacts_removed_at=None)
        .exclude(Exists(Activation.objects.filter(**of_version)))
        .exclude(Exists(HourlyCount.objects.filter(hour__gte=end, **of_version)))
        .exclude(Exists(Batch.objects.filter(finished_at=None, **of_version)))
        .exclude(number=Subquery(newest.values("number")[:1]))
        .order_by("pk")
    )


def _remove(version: Version, is_trial: bool) -> int:
    store, size_bytes = files.artifacts(), 0
    for entry in version.artifacts.values():
        size_bytes += size_of(store, entry["name"])
        if not is_trial:
            store.delete(entry["name"])
    return size_bytes
