"""Marks, order and what the processes of one session share. The fixtures of a kind of test stand in its folder."""

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support import bucket as buckets
from tests.support.site import prepared as demo

# The processes of the tests share the cores, and hand this on to those that they start: threads of OpenMP would wait for
# each other for longer than they work, and processes for the fits of small tables take longer to start than to work.
for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
    os.environ.setdefault(name, "1")

# a busy machine must not fail a property
hypothesis.settings.register_profile("clfsite", deadline=None)
hypothesis.settings.load_profile("clfsite")

# what takes longest begins first
FIRST = ("browser", "site")


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark and order the tests.

    A test that uses the database gets the mark `database`. A test of a case is found by the number of the case, such as
    `-k J07`.
    """
    for item in items:
        item.extra_keyword_matches.update(
            number for mark in item.iter_markers("case") for number in mark.args
        )
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"db", "transactional_db"} or item.get_closest_marker("django_db"):
            item.add_marker("database")
    yield
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """Where a test belongs in the order; tests of the same place keep theirs."""
    marked = (place for place, name in enumerate(FIRST) if item.get_closest_marker(name))
    return next(marked, len(FIRST))


class Sharing(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps tests that share a site, a cluster or a report in one of pytest-xdist's processes, and hands out the others singly."""

    MODULES = (
        "tests/functional/",
        "tests/ops/test_prometheus.py",
        "tests/integration/predictions/report/test_report.py",
        "tests/integration/training/runs/test_cluster.py",
        "tests/integration/training/runs/test_tracking.py",
    )
    # of the browser's modules the tour alone has a site of its own
    FOLDERS = ("tests/functional/browser/", "tests/functional/docs/", "tests/functional/faults/")
    TOUR = "tests/functional/browser/test_tour.py"

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        if module == self.TOUR:
            return module
        if folder := next((item for item in self.FOLDERS if nodeid.startswith(item)), ""):
            return folder
        return module if nodeid.startswith(self.MODULES) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    return Sharing(config, log)


@pytest.fixture(scope="session", autouse=True)
def _one_demo_for_all_sites(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let the processes of this session copy the demo that one of them trains."""
    base = tmp_path_factory.getbasetemp()
    demo.folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """An S3 server of the test session, for clients that share what boto reads of the service's description."""
    shared = cache(botocore.session.create_loader)
    with buckets.s3_server() as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", shared)
        yield url
