"""Batches survive: workers killed in the check and in the scoring, Redis emptied, long runs beside them, for real.

`make prove` runs these.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from clfsite.core.jobs.worker import EACH
from tests.functional.test_run_faults import LONG, WORKER, ask, at_work, kill, succeeded
from tests.support.servers import RedisServer
from tests.support.site import Site, wait_for

pytestmark = [pytest.mark.site, pytest.mark.fault]

COPIES = 250


@pytest.fixture(scope="module")
def caller(site: Site) -> Iterator[httpx.Client]:
    scopes = [part for scope in ("predict", "read", "train") for part in ("--scope", scope)]
    with site.client(site.manage("createkey", "batcher", *scopes).strip()) as client:
        client.timeout = httpx.Timeout(60)
        yield client


@pytest.fixture(scope="module")
def table(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 300,000 rows, one of them bad: long enough to be caught at work."""
    header, *rows = (site.state / "churn.csv").read_bytes().splitlines(keepends=True)
    path = tmp_path_factory.mktemp("tables") / "long.csv"
    path.write_bytes(header + b"".join(rows) * COPIES + b"short\n")
    return path


def hand_in(caller: httpx.Client, path: Path) -> int:
    with path.open("rb") as file:
        answer = caller.post("/api/batches", data={"mode": "lenient"}, files={"file": ("long.csv", file)})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return int(answer.json()["id"])


def look(caller: httpx.Client, batch: int) -> dict[str, Any]:
    actual: dict[str, Any] = caller.get(f"/api/batches/{batch}").json()
    return actual


def over(caller: httpx.Client, batch: int, site: Site) -> dict[str, Any]:
    return succeeded(caller, f"/api/batches/{batch}", site)


def result(caller: httpx.Client, batch: int) -> bytes:
    """The answers without the part of each id that no other batch has."""
    content = caller.get(f"/api/batches/{batch}/result").content
    prefix = content.splitlines()[1].split(b",")[0][:-8]
    return content.replace(prefix, b"")


def logged(site: Site, batch: int) -> tuple[int, int]:
    """Rows of a batch in the log, and different ones among them."""
    with psycopg2.connect(site.environment["DATABASE_URL"]) as server, server.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(DISTINCT row) FROM predictions_prediction WHERE batch_id = %s", [batch]
        )
        actual: tuple[int, int] = cursor.fetchone()
    server.close()
    return actual


@pytest.mark.promise(5)
@pytest.mark.case("F02")
def test_workers_killed_in_check_and_scoring_leave_the_same_bytes_and_each_row_once(
    site: Site, caller: httpx.Client, table: Path
) -> None:
    batch = hand_in(caller, table)
    first = site.start(*WORKER)
    wait_for(lambda: look(caller, batch)["rows_done"], "the check to be under way", 60)
    kill(first)
    assert look(caller, batch)["checked_at"] is None
    second = site.start(*WORKER)
    wait_for(
        lambda: look(caller, batch)["checked_at"] and look(caller, batch)["rows_done"],
        "the scoring to be under way",
        90,
    )
    kill(second)
    left = look(caller, batch)
    assert left["state"] == "running"
    assert 0 < left["rows_done"] < left["rows_total"]
    third = site.start(*WORKER)
    actual = over(caller, batch, site)
    assert (actual["attempt"], actual["rows_bad"]) == (3, 1)
    undisturbed = hand_in(caller, table)
    assert over(caller, undisturbed, site)["attempt"] == 1
    kill(third)
    assert result(caller, batch) == result(caller, undisturbed)
    good = actual["rows_total"] - 1
    assert logged(site, batch) == logged(site, undisturbed) == (good, good)


@pytest.mark.promise(4)
@pytest.mark.case("F13")
def test_a_batch_is_scored_though_redis_lost_its_message(
    site: Site, caller: httpx.Client, redis_server: RedisServer
) -> None:
    batch = hand_in(caller, site.state / "churn.csv")
    redis_server.flush()
    worker = site.start(*WORKER)
    rows = over(caller, batch, site)["rows_total"]
    kill(worker)
    assert logged(site, batch) == (rows, rows)


def test_a_batch_is_scored_while_long_runs_take_all_that_a_worker_has_for_runs(
    site: Site, caller: httpx.Client
) -> None:
    dataset = caller.get("/api/datasets").json()["results"][0]["id"]
    worker = site.start(*WORKER)
    runs = [ask(caller, dataset, LONG) for _ in range(EACH + 1)]
    for run in runs[:EACH]:
        at_work(caller, run)
    over(caller, hand_in(caller, site.state / "churn.csv"), site)
    assert [caller.get(f"/api/runs/{run}").json()["state"] for run in runs] == [
        *["running"] * EACH,
        "queued",
    ]
    caller.post(f"/api/runs/{runs[0]}/cancel")
    at_work(caller, runs[-1])
    kill(worker)
