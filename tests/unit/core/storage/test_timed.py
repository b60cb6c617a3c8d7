"""A read that is not answered ends with an error, and one that is answered is like any other."""

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clfsite.core.errors import Unavailable
from clfsite.core.storage.timed import PIECE_BYTES, TimedFile, within


@pytest.fixture
def silent() -> Iterator[int]:
    """A descriptor whose reads block until something is written at its other end, which nobody does."""
    reading, writing = os.pipe()
    yield reading
    # lets the thread go that still reads
    os.close(writing)


def test_read_without_an_answer_is_given_up(silent: int) -> None:
    began = time.monotonic()
    with (
        io.BufferedReader(TimedFile(silent, "pipeline.joblib", 0.2)) as file,
        pytest.raises(Unavailable, match=r"pipeline.joblib could not be read within 0.2 s; check the disk"),
    ):
        file.read(10)
    assert 0.2 <= time.monotonic() - began < 5


def test_content_comes_in_pieces_and_from_any_place(tmp_path: Path) -> None:
    path, data = tmp_path / "file", os.urandom(3 * PIECE_BYTES + 7)
    path.write_bytes(data)
    with io.BufferedReader(TimedFile(os.open(path, os.O_RDONLY), path.name), PIECE_BYTES) as file:
        assert file.read() == data
        assert file.seek(-7, os.SEEK_END) == len(data) - 7
        assert file.read() == data[-7:]
        file.seek(5)
        assert file.read(PIECE_BYTES + 1) == data[5 : PIECE_BYTES + 6]


def test_error_of_the_work_is_raised() -> None:
    with pytest.raises(FileNotFoundError):
        within(lambda: os.open("/nowhere", os.O_RDONLY), "nowhere")
