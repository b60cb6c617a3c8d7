"""Folders of a storage: their size and their removal."""

from collections.abc import Iterator
from contextlib import suppress

from django.core.files.storage import Storage


def names(storage: Storage, folder: str = "") -> Iterator[str]:
    """The names of all files below a folder; none if there is no such folder."""
    try:
        folders, found = storage.listdir(folder)
    except FileNotFoundError:
        return
    prefix = f"{folder}/" if folder else ""
    yield from (f"{prefix}{name}" for name in found)
    for inner in folders:
        yield from names(storage, f"{prefix}{inner}")


def size_of(storage: Storage, name: str) -> int:
    """The size of a file in bytes; 0 if it is missing."""
    try:
        return int(storage.size(name))
    except FileNotFoundError:
        return 0


def size_of_folder(storage: Storage, folder: str = "") -> int:
    """The size of all files below a folder in bytes."""
    return sum(size_of(storage, name) for name in names(storage, folder))


def remove_folder(storage: Storage, folder: str) -> int:
    """Remove all files of a folder, and the folder itself; returns their size in bytes."""
    size_bytes = 0
    for name in names(storage, folder):
        size_bytes += size_of(storage, name)
        storage.delete(name)
    # a bucket has no folders
    with suppress(OSError):
        storage.delete(folder)
    return size_bytes
