"""The memory of a web process: given back after large bodies, and bounded by a limit without a lost answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.functional.faults.conftest import database_of, example_of, kept, web_processes
from tests.functional.faults.ledger import Ledger, count
from tests.functional.faults.load import Load, large_bodies
from tests.support.site import Site, demo_site, wait_for

pytestmark = [pytest.mark.site, pytest.mark.fault]

MB = 1e6
# with glibc's own settings more than 600 MB stay
KEPT_MB = 300


@pytest.fixture
def large_site(tmp_path: Path) -> Iterator[Site]:
    with demo_site(tmp_path) as site:
        site.serve("--no-worker", "--web", "1")
        yield site


def test_memory_for_large_bodies_is_given_back(large_site: Site) -> None:
    large = large_bodies()

    def send(number: int) -> int:
        body, kind = large[number % 3], {"Content-Type": "application/json"}
        path = "/predict-batch" if b"records" in body[:20] else "/predict"
        with large_site.client() as caller:
            return caller.post(path, content=body, headers=kind, timeout=120).status_code

    [web] = web_processes(large_site)
    before = web.memory_info().rss
    for _ in range(3):
        with ThreadPoolExecutor(12) as callers:
            statuses = set(callers.map(send, range(24)))
        # refused for what they hold, for their size, or because too much waits
        assert statuses <= {400, 413, 422, 503}
    wait_for(
        lambda: web.memory_info().rss < before + KEPT_MB * MB,
        f"memory of {before / MB:.0f} MB before",
        30,
    )


@pytest.fixture
def bounded_site(tmp_path: Path) -> Iterator[Site]:
    # no process can stay below it
    with demo_site(tmp_path, {"CLFSITE_WEB_MEMORY_BYTES": str(64 * 1024**2)}) as site:
        site.serve("--no-worker", "--web", "1")
        yield site


def test_a_process_above_the_limit_is_replaced_without_a_lost_answer(
    bounded_site: Site, ledger: Ledger
) -> None:
    before = count(database_of(bounded_site))
    [web] = web_processes(bounded_site)
    with Load(bounded_site.port, example_of(bounded_site), ledger, callers=3) as load:
        wait_for(lambda: not _lives(web), "the process to be replaced", 120)
        load.wait_for_answers(50)
    # a connection that was kept is closed by the process that ends: the caller's next call opens another
    assert {call.status for call in load.refused()} <= {0}
    assert len(load.refused()) <= load.callers
    assert httpx.get(f"{bounded_site.url}/health", trust_env=False).is_success
    kept(ledger, bounded_site, before)


def _lives(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
