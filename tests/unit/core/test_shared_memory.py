"""Files that processes share in memory."""

import os
from pathlib import Path

import pytest

from clfsite.core import shared_memory

WRITTEN = b"16 bytes of data"


def test_a_file_is_made_of_zeros_and_extended_with_them(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    assert shared_memory.reserve(path, 4)
    path.write_bytes(b"data")
    assert shared_memory.reserve(path, 8)
    assert path.read_bytes() == b"data\0\0\0\0"


def test_zeros_replace_nothing_that_another_process_has_just_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shared"
    looked = os.fstat

    def look_and_be_overtaken(descriptor: int) -> os.stat_result:
        found = looked(descriptor)
        path.write_bytes(WRITTEN)
        return found

    monkeypatch.setattr(os, "fstat", look_and_be_overtaken)
    assert shared_memory.reserve(path, len(WRITTEN))
    assert path.read_bytes() == WRITTEN
