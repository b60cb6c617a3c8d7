"""Files are whole or not there, and never written over."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from clfsite.core.storage.files import CHUNK, artifacts, copy_hashed, digest, local_path, remove_quietly
from tests.integration.conftest import Files


class BreakingFile(ContentFile):  # type: ignore[type-arg]  # generic in its stubs alone
    """A disk that fails after the first piece."""

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        yield b"the first piece"
        raise OSError(28, "No space left on device")


def test_file_is_written_under_its_name(files: Files) -> None:
    artifacts().create("run-1/pipeline.joblib", b"model")
    assert files("artifacts") == ["run-1/pipeline.joblib"]
    with storages["artifacts"].open("run-1/pipeline.joblib") as file:
        assert file.read() == b"model"


def test_write_that_breaks_off_leaves_nothing(files: Files) -> None:
    with pytest.raises(OSError, match="No space left"):
        storages["artifacts"].save("pipeline.joblib", BreakingFile(b"content"))
    assert files("artifacts") == []


def test_file_that_is_there_is_not_written_over(files: Files) -> None:
    artifacts().create("pipeline.joblib", b"first")
    with pytest.raises(FileExistsError, match="exists already"):
        artifacts().create("pipeline.joblib", b"second")
    assert files("artifacts") == ["pipeline.joblib"]
    with storages["artifacts"].open("pipeline.joblib") as file:
        assert file.read() == b"first"


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "run-1/../../outside"])
def test_name_that_leads_outside_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SuspiciousFileOperation):
        artifacts().create(name, b"content")
    assert not list(tmp_path.rglob("outside"))


def test_removing_goes_on_past_what_resists(files: Files) -> None:
    store = artifacts()
    store.create("folder/inside", b"")
    store.create("file", b"")
    remove_quietly(store, ["absent", "folder", "file"])
    assert files("artifacts") == ["folder/inside"]


def test_local_path_is_where_the_file_lies() -> None:
    artifacts().create("run-1/pipeline.joblib", b"model")
    with local_path(artifacts(), "run-1/pipeline.joblib") as path:
        assert str(path) == artifacts().path("run-1/pipeline.joblib")
    assert path.read_bytes() == b"model"


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1])
def test_copy_is_hashed_and_counted(tmp_path: Path, size: int) -> None:
    data = b"x" * size
    copied = copy_hashed(io.BytesIO(data), tmp_path / "copy", limit=size)
    assert copied == (hashlib.sha256(data).hexdigest(), size)
    assert (tmp_path / "copy").read_bytes() == data
    assert digest(io.BytesIO(data)) == copied[0]


def test_copy_stops_at_the_limit(tmp_path: Path) -> None:
    source = io.BytesIO(b"x" * (3 * CHUNK))
    with pytest.raises(OverflowError):
        copy_hashed(source, tmp_path / "copy", limit=CHUNK)
    assert source.tell() == 2 * CHUNK
    assert (tmp_path / "copy").stat().st_size == CHUNK
