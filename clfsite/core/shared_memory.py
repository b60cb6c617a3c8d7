"""A folder in memory, shared by the processes of one `manage.py serve`, for data that may be lost.

It is never in the state folder, because a disk full of uploads must not stop the metrics.
"""

import fcntl
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

# the variable that Prometheus' client reads
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# a file system in memory on Linux, also in a container with a read-only root (64 MB there)
MEMORY = "/dev/shm"  # noqa: S108  the folder made in it is the owner's alone
_NAME = re.compile(r"clfsite-(\d+)-\w+")


def make_folder() -> Path:
    """Create an empty folder for this process and its children.

    Raises:
        OSError: it cannot be created in memory or in the machine's folder for temporary files.
    """
    try:
        return _made_in(Path(MEMORY))
    except OSError:
        return _made_in(Path(tempfile.gettempdir()))


def _made_in(place: Path) -> Path:
    for folder in place.glob("clfsite-*"):
        # left by a killed process
        pid = owner(folder)
        if pid and not is_alive(pid):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"clfsite-{os.getpid()}-", dir=place))


def owner(folder: Path) -> int:
    """The id of the process that created a folder; 0 if the name is not of such a folder."""
    name = _NAME.fullmatch(folder.name)
    return int(name[1]) if name else 0


def is_alive(pid: int) -> bool:
    """Whether a process with this id exists."""
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True


def reserve(path: Path, size: int) -> bool:
    """Create a file of zeros, or extend it with zeros; False if there is not enough space.

    A mapped file needs this: on a full disk, writing to a page without space kills the process (SIGBUS).
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError:
        return False
    try:
        if os.fstat(descriptor).st_size >= size:
            return True
        # given up when the file is closed; zeros must not replace what another process has written since
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        before = os.fstat(descriptor).st_size
        if before >= size:
            return True
        try:
            is_whole = os.pwrite(descriptor, bytes(size - before), before) == size - before
        except OSError:
            is_whole = False
        if not is_whole:
            os.ftruncate(descriptor, before)
        return is_whole
    finally:
        os.close(descriptor)
