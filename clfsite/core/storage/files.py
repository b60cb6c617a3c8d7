"""Files that survive a power cut: written to a temporary file, flushed, then renamed."""

import contextlib
import hashlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, storages

from clfsite.core.errors import Unavailable
from clfsite.core.storage.timed import TimedFile, within

CHUNK = 1024 * 1024


class SafeStorage(Storage):
    """A storage in which a name has either no content or the complete content; saving replaces it atomically."""

    def create(self, name: str, data: bytes) -> None:
        """Write a file under a new name.

        Raises:
            FileExistsError: the name exists.
        """
        raise NotImplementedError

    def total_bytes(self) -> int:
        """The size of all files together."""
        raise NotImplementedError


class DurableFileSystemStorage(FileSystemStorage, SafeStorage):
    """A folder; files are fsynced before they get their names."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def create(self, name: str, data: bytes) -> None:
        if self.exists(name):
            raise FileExistsError(f"{name} exists already")
        self.save(name, ContentFile(data))

    def total_bytes(self) -> int:
        return folder_bytes(Path(self.location))

    def _open(self, name: str, mode: str = "rb") -> File:  # type: ignore[type-arg]
        """Open a file to read.

        Raises:
            OSError: it is a pipe, a device or a folder. Reading a pipe would block forever.
            Unavailable: the disk does not answer; so does each read.
        """
        if mode != "rb":
            return cast(File, super()._open(name, mode))  # type: ignore[misc, type-arg]
        descriptor = within(lambda: _regular(self.path(name)), name)
        return File(io.BufferedReader(TimedFile(descriptor, name), CHUNK), name=name)

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
        try:
            for folder in (path.parent, *(folder_made.parent for folder_made in made)):
                _fsync_folder(folder)
        except BaseException:
            # a name is only valid once it survives a power cut
            path.unlink(missing_ok=True)
            raise
        return name


def _regular(path: str) -> int:
    """Open a regular file to read, and return its descriptor."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is not a regular file")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def folder_bytes(folder: Path) -> int:
    """The size of all files below a folder; 0 if there is none, and without files that go while they are counted."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder on the state folder's disk, because the machine's own may be small and in memory."""
    with tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        yield Path(folder)


@contextlib.contextmanager
def local_path(storage: Storage, name: str) -> Iterator[Path]:
    """The path of a stored file: the file itself in a folder, otherwise a temporary copy."""
    try:
        path = Path(storage.path(name))
        storage.open(name).close()  # raises an error if it is not a regular file
    except NotImplementedError:
        with storage.open(name) as file, _copied(file, Path(name).name) as path:
            yield path
    else:
        yield path


@contextlib.contextmanager
def uploaded_path(source: File) -> Iterator[Path]:  # type: ignore[type-arg]
    """The path of an upload: the file itself, or a temporary copy if it is in memory."""
    if hasattr(source, "temporary_file_path"):
        yield Path(source.temporary_file_path())
        return
    with _copied(source, "upload") as path:
        yield path


@contextlib.contextmanager
def _copied(source: File, name: str) -> Iterator[Path]:  # type: ignore[type-arg]
    with scratch() as folder:
        path = folder / name
        with path.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
        yield path


def plain_name(name: str | None, default: str) -> str:
    """The last part of an uploaded file's name, as text that all databases can store."""
    last = (name or "").replace("\x00", "").replace("\\", "/").rpartition("/")[2]
    return last.encode(errors="replace").decode()[:255] or default


def datasets() -> SafeStorage:
    return cast(SafeStorage, storages["datasets"])


def artifacts() -> SafeStorage:
    return cast(SafeStorage, storages["artifacts"])


def remove_quietly(storage: Storage, names: list[str]) -> None:
    """Delete files whose row was not written. If that fails, `manage.py verify` lists them."""
    for name in names:
        with contextlib.suppress(OSError, Unavailable):
            storage.delete(name)


def digest(file: IO[bytes] | File) -> str:  # type: ignore[type-arg]
    """The SHA-256 of the remaining content, in hexadecimal."""
    sha256 = hashlib.sha256()
    while chunk := file.read(CHUNK):
        sha256.update(chunk)
    return sha256.hexdigest()


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
    """Create a folder and its parents, and return the new ones."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
