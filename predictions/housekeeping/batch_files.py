"""Removal of the files of batches that ended long ago. Their rows and their predictions in the log stay."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from predictions.batches.models import Batch
from predictions.batches.service import files
from predictions.housekeeping.stored import remove_folder, size_of_folder

# folders that are looked up at once
FOLDERS = 500


def steps(is_trial: bool) -> Iterator[tuple[int, int]]:
    """Remove the files of one batch after the other."""
    for batch in _left_behind():
        yield _remove(batch, is_trial)
    if not settings.CLFSITE_KEEP_BATCH_FILES_DAYS:
        return
    end = timezone.now() - timedelta(days=settings.CLFSITE_KEEP_BATCH_FILES_DAYS)
    # only a finished batch has this time
    old = Batch.objects.filter(finished_at__lt=end, files_removed_at=None).order_by("pk")
    for batch in old.only("pk", "folder", "state", "finished_at"):
        if not is_trial:
            # it may have been resumed since
            marked = Batch.objects.filter(pk=batch.pk, finished_at__lt=end)
            if not marked.update(files_removed_at=timezone.now()):
                continue
        yield _remove(batch, is_trial)


def _left_behind() -> Iterator[Batch]:
    """Batches whose files should be gone, but of which a killed step left some."""
    try:
        folders = files().listdir("")[0]
    except FileNotFoundError:
        return
    for first in range(0, len(folders), FOLDERS):
        some = folders[first : first + FOLDERS]
        yield from Batch.objects.filter(folder__in=some, files_removed_at__isnull=False).only("pk", "folder")


def _remove(batch: Batch, is_trial: bool) -> tuple[int, int]:
    if is_trial:
        return 1, size_of_folder(files(), batch.folder)
    size_bytes = remove_folder(files(), batch.folder)
    batch.parts.all().delete()
    batch.pending_parts.all().delete()
    return 1, size_bytes
