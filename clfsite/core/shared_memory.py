"""A folder in memory that the processes of one `manage.py serve` share, for what the site can do without.

It is never in the state folder: a disk that is full of uploads must not take the metrics with it.
"""

import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

# the variable in which Prometheus' client looks for it
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# a file system in memory on Linux, also in a container with a read-only root (64 MB there)
MEMORY = "/dev/shm"  # noqa: S108  the folder made in it is the owner's alone
_NAME = re.compile(r"clfsite-(\d+)-\w+")


def make_folder() -> Path:
    """Make an empty folder for this process and those that it starts.

    Raises:
        OSError: neither the memory nor the machine's folder for temporary files takes one.
    """
    try:
        return _made_in(Path(MEMORY))
    except OSError:
        return _made_in(Path(tempfile.gettempdir()))


def _made_in(place: Path) -> Path:
    for folder in place.glob("clfsite-*"):
        # of a process that was killed
        name = _NAME.fullmatch(folder.name)
        if name and not is_alive(int(name[1])):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"clfsite-{os.getpid()}-", dir=place))


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number."""
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True


def reserve(path: Path, size: int) -> bool:
    """Make a file of so many zeros, or lengthen it with them; False where there is no room for all of them.

    A mapped file needs that: writing to a page of it that has no place on a full disk ends the process (SIGBUS).
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError:
        return False
    try:
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
