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
from tests.support.disk import fill, small_disk
from tests.support.site import ROOT, Site, demo_site, wait_for

pytestmark = [pytest.mark.site, pytest.mark.fault, pytest.mark.promise(11)]

SIZE_MEGABYTES = 40


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", megabytes=SIZE_MEGABYTES) as folder:
        yield folder


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
