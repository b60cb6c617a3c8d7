"""The web process killed at random moments under load: whatever was acknowledged is in the log, once."""

import os
import random
import signal
import time

import psutil
import pytest

from clfsite.supervisor import LIVED_SECONDS
from tests.functional.faults.conftest import database_of, example_of, kept, make_key, ready, web_processes
from tests.functional.faults.ledger import Ledger, count
from tests.functional.faults.load import Load
from tests.support.site import Site, wait_for

pytestmark = [pytest.mark.site, pytest.mark.fault]

KILLS = 50
# the kernel's time of a start may differ from ours by so much
CLOCKS_SECONDS = 2
RESTARTS = 6


@pytest.mark.promise(1, 2)
@pytest.mark.case("F01")
def test_fifty_kills_lose_and_repeat_no_acknowledged_prediction(site: Site, ledger: Ledger) -> None:
    database = database_of(site)
    once = make_key(site, "once", "predict")
    features, before, named_before = example_of(site), count(database), count(database, "once")
    with (
        Load(site.port, features, ledger, callers=4) as load,
        Load(site.port, features, ledger, key=once, callers=2, are_named=True) as named,
    ):
        load.wait_for_answers(20)
        for _ in range(KILLS):
            # the older of two, when it is old enough to be restarted at once; younger ones wait up to 15 s
            pair = wait_for(lambda: len(result := web_processes(site)) == 2 and result, "two processes", 10)
            older = min(pair, key=psutil.Process.create_time)
            time.sleep(max(older.create_time() + LIVED_SECONDS + CLOCKS_SECONDS - time.time(), 0))
            older.kill()
            load.wait_for_answers(random.randint(1, 60))  # noqa: S311  not for secrets
        ready(site)
        load.wait_for_answers(20)
        named.wait_for_answers(5)
    result = kept(ledger, site, before)
    repeated = sum(1 for line in ledger.read() if line["name"])
    assert count(database, "once") - named_before - repeated <= len(named.unanswered)
    statuses = load.by_status()
    assert set(statuses) <= {0, 200}, statuses
    print(f"{KILLS} kills: {result.acknowledged} acknowledged, {result.logged} logged, {statuses}")


@pytest.mark.promise(1)
@pytest.mark.case("F01")
def test_killing_the_whole_server_on_sqlite_loses_no_acknowledged_prediction(
    small_site: Site, ledger: Ledger
) -> None:
    features, before = example_of(small_site), count(database_of(small_site))
    for _ in range(RESTARTS):
        with Load(small_site.port, features, ledger, callers=4) as load:
            load.wait_for_answers(random.randint(5, 60))  # noqa: S311  not for secrets
            os.killpg(small_site.processes[-1].pid, signal.SIGKILL)
            small_site.processes[-1].wait()
        small_site.serve("--no-worker")
    with Load(small_site.port, features, ledger) as load:
        load.wait_for_answers(5)
    kept(ledger, small_site, before)
