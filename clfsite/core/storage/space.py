"""Room on the disk of the state folder: how much there is, and which errors say that there is none."""

import errno
import shutil
import sqlite3

import psycopg2.errors
from django.conf import settings

# with less, work that writes files is not begun: what is under way needs it to end well
LEAST_BYTES = 16 * 1024**2
FULL = "the disk is full, so nothing was stored; ask the site's operator to free space, then try again"
# as the reason of a job that failed
JOB_ENDED = "the disk was full; free space, then resume it"
_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT}


def free_bytes() -> tuple[int, int]:
    """Bytes that are free on the disk of the state folder, and all that it has."""
    usage = shutil.disk_usage(settings.STATE_DIR)
    return usage.free, usage.total


def problem() -> str:
    """What a lack of room on disk stops at present, or an empty string."""
    try:
        free, _ = free_bytes()
    except OSError:
        # a folder that is gone is another problem, of which whatever uses it tells
        return ""
    if free >= LEAST_BYTES:
        return ""
    return (
        f"the disk of the state folder has {free / 1024**2:.1f} MB left: runs and batches wait and uploads "
        f"fail until there are {LEAST_BYTES // 1024**2} MB"
    )


def says_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that a disk is full: this machine's or the database server's."""
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
    """SQLite says so by a code of its own, or that it cannot open or write a file beside the database."""
    # the lowest byte names the kind
    kind = code & 0xFF
    return kind == sqlite3.SQLITE_FULL or (
        kind in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN} and bool(problem())
    )
