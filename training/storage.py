"""Files that survive a power cut: written beside their place, flushed, then moved into it."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, storages

CHUNK = 1024 * 1024


class DurableFileSystemStorage(FileSystemStorage):
    """A folder in which a name is either absent or holds the whole content, fsynced.

    Saving under a name that is there replaces its content at one stroke.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: File) -> str:  # type: ignore[type-arg]
        path = Path(self.path(name))
        made = _make_folders(path.parent)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".saving-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in content.chunks(CHUNK):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        for folder in (path.parent, *(each.parent for each in made)):
            _fsync_folder(folder)
        return name


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the state folder's disk, gone afterwards; the machine's own may be a small one in memory."""
    with tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        yield Path(folder)


def datasets() -> Storage:
    return storages["datasets"]


def artifacts() -> Storage:
    return storages["artifacts"]


def write(storage: Storage, name: str, data: bytes) -> None:
    """Write one file under exactly this name."""
    if storage.exists(name):
        raise FileExistsError(f"{name} exists already")
    storage.save(name, ContentFile(data))


def remove_quietly(storage: Storage, names: list[str]) -> None:
    """Take back files whose row was never written; one that resists is left for the operator to see."""
    for name in names:
        with contextlib.suppress(OSError):
            storage.delete(name)


def copy_hashed(source: IO[bytes] | File, target: Path, limit: int) -> tuple[str, int]:  # type: ignore[type-arg]
    """Copy a stream to a file in pieces.

    Returns:
        (SHA-256 in hexadecimal, size in bytes).

    Raises:
        OverflowError: more than `limit` bytes.
    """
    sha256, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > limit:
                raise OverflowError
            sha256.update(chunk)
            file.write(chunk)
    return sha256.hexdigest(), size


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it, and return the new ones; each is an entry of the one above."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
