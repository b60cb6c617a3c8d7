"""Metrics that processes share: a disk that is full costs series, and no process."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from clfsite.core import shared_memory
from clfsite.core.web.metrics import FIRST_SIZE, ReservedValues
from tests.support.disk import fill, small_disk

# more series than a file of the first size takes; each value is read before it is written, as the client does
COUNT = """
import sys
from clfsite.core.web.metrics import ReservedValues
values = ReservedValues(sys.argv[1])
for number in range(2_000):
    values.read_value(f"series {number:0100}")
    values.write_value(f"series {number:0100}", 1.0, 0.0)
print(sum(values.read_value(f"series {number:0100}")[0] for number in range(2_000)))
"""


def read(path: Path) -> list[tuple[str, float, float, int]]:
    return list(MmapedDict.read_all_values_from_file(path))  # type: ignore[no-untyped-call]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", megabytes=1) as folder:
        yield folder


@pytest.mark.parametrize("left", [0, 4_096, FIRST_SIZE, 2 * FIRST_SIZE + 4_096])
def test_a_process_counts_on_where_a_full_disk_takes_no_more_series(disk: Path, left: int) -> None:
    fill(disk, but=left)
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(disk / "counter_1.db")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "2000.0\n"), done.stderr
    shared = [read(path) for path in disk.glob("*.db")]
    assert all(value == 1.0 for series in shared for _, value, _, _ in series)
    assert bool(shared) == (left >= FIRST_SIZE)


def test_a_file_of_values_is_read_back_and_grows(tmp_path: Path) -> None:
    path = tmp_path / "counter_1.db"
    for _ in range(2):
        values = ReservedValues(str(path))
        for number in range(2_000):
            before, _ = values.read_value(f"series {number:0100}")
            values.write_value(f"series {number:0100}", before + 1, 0.0)
        values.close()  # type: ignore[no-untyped-call]
    result = {key: value for key, value, _, _ in read(path)}
    assert result == {f"series {number:0100}": 2.0 for number in range(2_000)}
    # no hole: every byte has its place on the disk
    assert path.stat().st_blocks * 512 >= path.stat().st_size > FIRST_SIZE


def test_the_shared_folder_is_in_memory_and_that_of_a_dead_process_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_memory, "MEMORY", str(tmp_path))
    (tmp_path / "clfsite-999999999-dead").mkdir()
    (tmp_path / f"clfsite-{os.getpid()}-alive").mkdir()
    folder = shared_memory.make_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "clfsite-999999999-dead").exists()
    assert (tmp_path / f"clfsite-{os.getpid()}-alive").exists()


def test_without_a_file_system_in_memory_the_shared_folder_is_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_memory, "MEMORY", str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert shared_memory.make_folder().parent == tmp_path
