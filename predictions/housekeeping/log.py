"""Removal of old predictions from the log.

The hourly counts stay: they tell what was predicted, and how often it was right, after the rows are gone. Whole hours are
removed, so an hour of the log is either complete or empty, apart from predictions that are kept for their feedback.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from predictions.batches.models import Batch
from predictions.housekeeping.models import Retention
from predictions.models import Feedback, Prediction, first_id, hour_of
from training.models import Version

# rows that one transaction removes
ROWS = 1_000
# bytes of a row with its share of the indexes, for reports
ROW_BYTES = 820
# a batch in these states may continue, and must find the predictions of its first rows
OPEN = (Batch.State.QUEUED, Batch.State.RUNNING, Batch.State.CHECKED)


def kept_days() -> dict[int, int]:
    """How many days predictions of each version stay in the log; 0 for always."""
    own = dict(Retention.objects.values_list("classifier", "days"))
    versions = Version.objects.order_by().values_list("pk", "classifier")
    return {pk: own.get(classifier, settings.CLFSITE_KEEP_PREDICTIONS_DAYS) for pk, classifier in versions}


def steps(is_trial: bool) -> Iterator[tuple[int, int]]:
    """Remove predictions that are older than their versions keep them, a block of the log at a time."""
    ends = {pk: _end(days) for pk, days in kept_days().items()}
    judged_end = _end(settings.CLFSITE_KEEP_FEEDBACK_DAYS)
    last = max(ends.values(), default=UUID(int=0))
    after = UUID(int=0)
    while True:
        with transaction.atomic():
            rows = Prediction.objects.filter(pk__gt=after, pk__lt=last).order_by("pk")
            if connection.vendor == "postgresql" and not is_trial:
                # feedback locks its prediction, which then stays
                rows = rows.select_for_update(skip_locked=True, of=("self",))
            block = list(rows.values_list("pk", "version_id", "batch_id")[:ROWS])
            if not block:
                return
            after = block[-1][0]
            keys = {key for key, version, _ in block if key < ends.get(version, UUID(int=0))}
            keys -= _of_open_batches(block)
            judged = set(Feedback.objects.filter(prediction__in=keys).values_list("prediction", flat=True))
            old = {key for key in judged if key < judged_end}
            keys -= judged - old
            if keys and not is_trial:
                # the counts of feedback stay, like those of predictions
                Feedback.objects.filter(prediction__in=old).delete()
                gone = Prediction.objects.filter(pk__in=keys)
                # without Django's look for dependent rows, of which there are none left
                gone._raw_delete(gone.db)
        yield len(keys), len(keys) * ROW_BYTES


def _end(days: int) -> UUID:
    """The first id that stays; the smallest of all if everything stays."""
    return first_id(hour_of(timezone.now() - timedelta(days=days))) if days else UUID(int=0)


def _of_open_batches(block: Sequence[tuple[UUID, int, int | None]]) -> set[UUID]:
    batches = {batch for _, _, batch in block if batch}
    still_open = set(Batch.objects.filter(pk__in=batches, state__in=OPEN).values_list("pk", flat=True))
    return {key for key, _, batch in block if batch in still_open}
