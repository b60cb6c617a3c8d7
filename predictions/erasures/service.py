"""Erasing the predictions with a reference, with their true labels and kept answers. The counts stay as they are."""

import hashlib
import hmac
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from clfsite.core.errors import Conflict, InvalidInput, NotFound
from predictions.batches.models import Batch
from predictions.batches.service import files
from predictions.erasures.models import Erasure
from predictions.housekeeping.stored import remove_folder
from predictions.log import references
from predictions.models import Feedback, KeptAnswer, Prediction

# rows per transaction; short enough for concurrent predictions
PIECE = 1_000
# how long answers to calls with an Idempotency-Key are kept
KEPT_ANSWERS = timedelta(days=2)


def erase(*, reference: str, reason: str, actor: str, batch_files: bool = False) -> Erasure:
    """Erase all predictions with a reference, of all classifiers, and record that it was done.

    An erasure that was interrupted can be repeated; it erases the rest.

    Args:
        batch_files: whether to delete the files of the batches that had such rows, with their other rows; the predictions
            of those rows stay in the log.

    Raises:
        InvalidInput: the reference is none, or there is no reason. NotFound: no prediction has it.
        Conflict: a batch that is not over has such rows; nothing was erased.
    """
    if problem := references.problem_of(reference):
        place = {"field": references.NAME, "code": problem.code, "message": problem.message}
        raise InvalidInput(f"reference: {problem.message}", [place])
    rows = Prediction.objects.filter(reference=reference)
    if not rows.exists():
        raise NotFound(f'no prediction has the reference "{reference[:60]}"')
    batches = list(
        Batch.objects.filter(
            pk__in=rows.exclude(batch=None).order_by().values_list("batch", flat=True).distinct()
        )
    )
    if busy := next((batch for batch in batches if not batch.is_over), None):
        raise Conflict(f"{busy} has such rows and is {busy.state}; try again when it has ended")
    record = Erasure.objects.create(
        digest=digest_of(reference), reason=reason, actor=actor, batches=sorted(batch.pk for batch in batches)
    )
    while _erase_piece(record, reference):
        pass
    if batch_files:
        for batch in batches:
            _remove_files(batch)
        Erasure.objects.filter(pk=record.pk).update(files_removed=True)
    record.refresh_from_db()
    return record


def digest_of(reference: str) -> str:
    """The digest under which an erasure is recorded."""
    return hmac.new(settings.SECRET_KEY.encode(), f"erasure {reference}".encode(), hashlib.sha256).hexdigest()


def _erase_piece(record: Erasure, reference: str) -> bool:
    """Erase some rows and add them to the record; return whether there may be more."""
    with transaction.atomic():
        rows = Prediction.objects.filter(reference=reference).order_by("pk").only("pk")
        # a true label that is given meanwhile waits, and finds no prediction
        keys = [row.pk for row in rows.select_for_update()[:PIECE]]
        if not keys:
            return False
        feedback = Feedback.objects.filter(prediction__in=keys).order_by()._raw_delete(using=rows.db)
        Prediction.objects.filter(pk__in=keys).order_by()._raw_delete(using=rows.db)
        Erasure.objects.filter(pk=record.pk).update(
            predictions=record.predictions + len(keys), feedback=record.feedback + feedback
        )
        _forget_answers({str(key).encode() for key in keys})
    record.predictions += len(keys)
    record.feedback += feedback
    return len(keys) == PIECE


def _forget_answers(keys: set[bytes]) -> None:
    """Delete the kept answers that tell of these predictions."""
    recent = KeptAnswer.objects.filter(created_at__gte=timezone.now() - KEPT_ANSWERS)
    told = [row.pk for row in recent.iterator(500) if any(key in bytes(row.body) for key in keys)]
    KeptAnswer.objects.filter(pk__in=told).delete()


def _remove_files(batch: Batch) -> None:
    # the first rows and the problems of the file go, too
    Batch.objects.filter(pk=batch.pk).update(files_removed_at=timezone.now(), preview={}, problems=[])
    remove_folder(files(), batch.folder)
