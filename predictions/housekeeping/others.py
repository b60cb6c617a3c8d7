"""Removal of uploads that nobody saved, folders of Weights & Biases, sessions that ended, and failed logins."""

import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from training.datasets import uploads as stored_uploads
from training.models import Upload

ROWS = 1_000
# bytes of a row, for reports
SESSION_BYTES, LOGIN_BYTES = 400, 600
DAY_SECONDS = 86_400


def uploads(is_trial: bool) -> Iterator[tuple[int, int]]:
    """Remove files that were uploaded and not saved as datasets, and temporary files of killed processes."""
    old = Upload.objects.filter(created_at__lt=timezone.now() - stored_uploads.KEPT)
    for upload in old:
        if not is_trial:
            stored_uploads.delete_upload(upload)
        yield 1, upload.size_bytes
    yield from _old_paths(settings.FILE_UPLOAD_TEMP_DIR, "*", 1, is_trial)


def wandb_folders(is_trial: bool) -> Iterator[tuple[int, int]]:
    """Remove the local folders of runs at Weights & Biases, sent or not."""
    days = settings.CLFSITE_KEEP_WANDB_DAYS
    if days:
        yield from _old_paths(settings.STATE_DIR / "wandb", "*run-*", days, is_trial)


def sessions(is_trial: bool) -> Iterator[tuple[int, int]]:
    """Remove sessions that have ended."""
    yield from _rows(Session.objects.filter(expire_date__lt=timezone.now()), SESSION_BYTES, is_trial)


def failed_logins(is_trial: bool) -> Iterator[tuple[int, int]]:
    """Remove old failed logins; one that still locks is newer."""
    days = settings.CLFSITE_KEEP_LOGINS_DAYS
    if not days:
        return
    end = timezone.now() - timedelta(days=days)
    for model in (AccessAttempt, AccessFailureLog):
        yield from _rows(model.objects.filter(attempt_time__lt=end), LOGIN_BYTES, is_trial)


def _rows(rows: QuerySet[Any], row_bytes: int, is_trial: bool) -> Iterator[tuple[int, int]]:
    if is_trial:
        count = rows.count()
        yield count, count * row_bytes
        return
    while keys := list(rows.values_list("pk", flat=True)[:ROWS]):
        rows.model._default_manager.filter(pk__in=keys).delete()
        yield len(keys), len(keys) * row_bytes


def _old_paths(folder: Path, pattern: str, days: int, is_trial: bool) -> Iterator[tuple[int, int]]:
    """Remove files and folders in which nothing was written for so many days."""
    end = time.time() - days * DAY_SECONDS
    for path in sorted(folder.glob(pattern)):
        if path.is_symlink():
            continue
        inner = [path, *path.rglob("*")]
        try:
            stats = [item.lstat() for item in inner]
        except FileNotFoundError:
            # its process is removing it
            continue
        if max(stat.st_mtime for stat in stats) >= end:
            continue
        if not is_trial:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        yield 1, sum(stat.st_size for stat in stats)
