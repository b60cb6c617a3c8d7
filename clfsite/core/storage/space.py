"""Free space on the disk of the state folder, and errors of a full disk."""

import errno
import os
import shutil
import sqlite3

import psycopg2.errors
from django.conf import settings

# with less, no job that writes files is started, because running jobs need the space to finish
LEAST_BYTES = 16 * 1024**2
FULL = "the disk is full, so nothing was stored; ask the site's operator to free space, then try again"
UNWRITABLE = "the site's folder cannot be written, so nothing was stored; tell the site's operator"
# reason of a failed job
JOB_ENDED = "the disk was full; free space, then resume it"
_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT}


def free_bytes() -> tuple[int, int]:
    """Free and total bytes of the disk of the state folder."""
    usage = shutil.disk_usage(settings.STATE_DIR)
    return usage.free, usage.total


def problem() -> str:
    """The problem of a full disk, or of a folder that cannot be written, or an empty string."""
    if unwritable := unwritable_folder():
        return f"{unwritable} cannot be written: runs and batches wait and uploads fail until it can"
    try:
        free, _ = free_bytes()
    except OSError:
        # a missing folder is another problem, which its users report
        return ""
    if free >= LEAST_BYTES:
        return ""
    return (
        f"the disk of the state folder has {free / 1024**2:.1f} MB left: runs and batches wait and uploads "
        f"fail until there are {LEAST_BYTES // 1024**2} MB"
    )


def unwritable_folder() -> str:
    """The first folder of the site on this machine that exists and cannot be written, or an empty string."""
    folders = (settings.STATE_DIR, settings.FILE_UPLOAD_TEMP_DIR)
    return next(
        (str(path) for path in folders if path.exists() and not os.access(path, os.W_OK | os.X_OK)), ""
    )


def says_unwritable(error: BaseException | None) -> bool:
    """Whether an error or its cause means that a folder of the site cannot be written."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.EROFS:
            return True
        if isinstance(error, PermissionError) and unwritable_folder():
            return True
        error = error.__cause__ or error.__context__
    return False


def says_full(error: BaseException | None) -> bool:
    """Whether an error or its cause means that a disk is full, of this machine or of the database server."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL_ERRNOS:
            return True
        if isinstance(error, sqlite3.Error) and _is_full_sqlite(getattr(error, "sqlite_errorcode", 0)):
            return True
        if isinstance(error, psycopg2.errors.DiskFull):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_full_sqlite(code: int) -> bool:
    """SQLite reports a full disk by its own code, or as a file next to the database that it cannot open or write."""
    # the lowest byte is the kind of the error
    kind = code & 0xFF
    return kind == sqlite3.SQLITE_FULL or (
        kind in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN} and bool(problem())
    )
