"""A disk that is full: refused while it is, nothing lost, and no repair when there is room again."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.faults.conftest import database_of, example_of, kept, ready
from tests.functional.faults.ledger import Ledger, count
from tests.functional.faults.load import Load
from tests.support.site import ROOT, Site, demo_site, wait_for

pytestmark = [pytest.mark.site, pytest.mark.faults, pytest.mark.promise(11)]

SIZE_MEGABYTES = 40


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SIZE_MEGABYTES}m", "clfsite-test", str(folder)]
    try:
        done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("mount is not installed")
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free, and return the file that takes the room."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1024 * 1024, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


@pytest.mark.case("F17")
def test_a_full_disk_loses_nothing_and_needs_no_repair(disk: Path, ledger: Ledger) -> None:
    with demo_site(disk) as site:
        site.serve("--no-worker")
        features, before = example_of(site), count(database_of(site))
        with Load(site.port, features, ledger, callers=4) as load:
            load.wait_for_answers(50)
            filler = fill(disk)
            began = time.monotonic()
            # what SQLite has of its write-ahead log is filled first
            wait_for(lambda: load.refused(began), "a call to be refused")
            time.sleep(3)
            refused = load.refused(began)
            assert {call.status for call in refused} == {503}
            assert all(call.retry_after for call in refused)
            files = set(disk.rglob("*"))
            done = train(site)
            assert done.returncode == 1
            assert len(done.stderr.strip().splitlines()[-1]) > 20
            assert "Traceback" not in done.stderr
            assert set(disk.rglob("*")) - files <= {disk / "db.sqlite3-journal"}
            filler.unlink()
            load.wait_for_answers(20, 7)
            ready(site)
        kept(ledger, site, before)
        assert train(site).returncode == 0


def train(site: Site) -> subprocess.CompletedProcess[str]:
    table = str(site.state / "churn.csv")
    command = [
        "manage.py",
        "train",
        table,
        "--target",
        "churn",
        "--estimator",
        "logistic_regression",
        "--json",
    ]
    return subprocess.run(
        [sys.executable, *command],
        env=site.environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
