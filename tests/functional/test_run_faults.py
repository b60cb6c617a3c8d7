"""Runs survive: workers killed and frozen, Redis emptied, stopped and frozen, for real. `make prove` runs these."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from clfsite.core.jobs import worker as lifecycle
from tests.support.servers import RedisServer
from tests.support.site import ROOT, Site, wait_for

pytestmark = [pytest.mark.site, pytest.mark.fault, pytest.mark.promise(5)]

WORKER = (
    "-m",
    "celery",
    "-A",
    "clfsite",
    "worker",
    "--pool",
    "threads",
    "--concurrency",
    "4",
    "--loglevel",
    "info",
)
# two dozen forests that share no fit: long enough to be caught at work
LONG = {"n_estimators": [80], "min_samples_leaf": list(range(1, 25))}
SHORT = {"n_estimators": [5]}


@pytest.fixture(scope="module")
def trainer(site: Site) -> Iterator[httpx.Client]:
    scopes = [part for scope in ("train", "read") for part in ("--scope", scope)]
    with site.client(site.manage("createkey", "trainer", *scopes).strip()) as client:
        yield client


@pytest.fixture(scope="module")
def dataset(trainer: httpx.Client) -> int:
    table = (ROOT / "data" / "churn.csv").read_bytes().splitlines(keepends=True)[:1_001]
    answer = trainer.post(
        "/api/datasets",
        data={"name": "small", "target": "churn"},
        files={"file": ("small.csv", b"".join(table))},
    )
    return int(answer.json()["id"])


def ask(trainer: httpx.Client, dataset: int, space: dict[str, list[int]]) -> int:
    """Ask for a run and return its number; the answer must come at once, whatever Redis does."""
    began = time.monotonic()
    answer = trainer.post("/api/runs", json={"dataset": dataset, "space": space, "folds": 3})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    assert time.monotonic() - began < 2
    return int(answer.json()["id"])


def look(trainer: httpx.Client, run: int) -> dict[str, Any]:
    result: dict[str, Any] = trainer.get(f"/api/runs/{run}").json()
    return result


def at_work(trainer: httpx.Client, run: int) -> dict[str, Any]:
    """The run, once it fits models."""

    def fits() -> dict[str, Any] | None:
        result = look(trainer, run)
        return result if result["state"] == "running" and result["fits_done"] else None

    result: dict[str, Any] = wait_for(fits, "the run to fit models", 60)
    return result


def over(trainer: httpx.Client, run: int, site: Site) -> dict[str, Any]:
    """The run, once it succeeded."""
    return succeeded(trainer, f"/api/runs/{run}", site)


def succeeded(client: httpx.Client, path: str, site: Site) -> dict[str, Any]:
    """The job at an address of the API, once it is over, as it should be."""

    def ended() -> dict[str, Any] | None:
        result: dict[str, Any] = client.get(path).json()
        return result if result["state"] in {"succeeded", "failed", "cancelled"} else None

    result: dict[str, Any] = wait_for(ended, f"{path} to end", 150)
    assert result["state"] == "succeeded", (result, site.logs())
    return result


def versions_of(trainer: httpx.Client, run: int) -> int:
    """How many versions a run made."""
    result = trainer.get("/api/versions", params={"page_size": 100}).json()["results"]
    return sum(item["run"] == run for item in result)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker at one stroke, as a power cut or the system's killer does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.case("F02")
def test_a_killed_workers_run_ends_as_one_version_of_another_worker(
    site: Site, trainer: httpx.Client, dataset: int
) -> None:
    first = site.start(*WORKER)
    run = ask(trainer, dataset, LONG)
    at_work(trainer, run)
    children = psutil.Process(first.pid).children(recursive=True)
    kill(first)
    wait_for(lambda: not any(child.is_running() for child in children), "the run's process to end", 5)
    second = site.start(*WORKER)
    assert over(trainer, run, site)["attempt"] == 2
    assert versions_of(trainer, run) == 1
    kill(second)


def test_a_frozen_worker_that_wakes_registers_nothing_beside_the_one_that_took_over(
    site: Site, trainer: httpx.Client, dataset: int
) -> None:
    first = site.start(*WORKER)
    run = ask(trainer, dataset, LONG)
    at_work(trainer, run)
    frozen = [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]
    for process in frozen:
        process.suspend()
    second = site.start(*WORKER)
    wait_for(lambda: look(trainer, run)["attempt"] == 2, "another worker to take over", 60)
    for process in frozen:
        process.resume()
    over(trainer, run, site)
    time.sleep(5)
    assert versions_of(trainer, run) == 1
    for worker in (first, second):
        kill(worker)


@pytest.mark.promise(4)
@pytest.mark.case("F13")
def test_a_run_is_carried_out_though_redis_lost_its_message(
    site: Site, trainer: httpx.Client, dataset: int, redis_server: RedisServer
) -> None:
    run = ask(trainer, dataset, SHORT)
    redis_server.flush()
    worker = site.start(*WORKER)
    over(trainer, run, site)
    kill(worker)


@pytest.mark.promise(4)
def test_a_run_asked_for_while_redis_is_down_is_carried_out_when_it_is_back(
    site: Site, trainer: httpx.Client, dataset: int, redis_server: RedisServer
) -> None:
    worker = site.start(*WORKER)
    redis_server.stop()
    run = ask(trainer, dataset, SHORT)
    assert look(trainer, run)["state"] == "queued"
    redis_server.start()
    over(trainer, run, site)
    kill(worker)


@pytest.mark.promise(4)
def test_a_run_asked_for_while_redis_is_frozen_is_carried_out_when_it_wakes(
    site: Site, trainer: httpx.Client, dataset: int, redis_server: RedisServer
) -> None:
    worker = site.start(*WORKER)
    redis_server.freeze()
    try:
        run = ask(trainer, dataset, SHORT)
    finally:
        redis_server.thaw()
    over(trainer, run, site)
    assert versions_of(trainer, run) == 1
    kill(worker)


def test_the_same_message_five_times_makes_one_version(
    site: Site, trainer: httpx.Client, dataset: int
) -> None:
    run = ask(trainer, dataset, SHORT)
    for _ in range(5):
        site.manage(
            "shell",
            "-c",
            f"from clfsite.core.jobs.queue import wake; wake('training.tasks.train_run', {run}).join()",
        )
    worker = site.start(*WORKER)
    assert over(trainer, run, site)["attempt"] == 1
    assert versions_of(trainer, run) == 1
    kill(worker)


@pytest.mark.case("F25")
def test_workers_whose_clocks_are_two_hours_off_take_no_run_from_each_other(
    site: Site, trainer: httpx.Client, dataset: int
) -> None:
    workers = [site.start("-m", "tests.functional.clock_off", off, *WORKER[2:]) for off in ("2", "-2")]
    runs = [ask(trainer, dataset, LONG) for _ in range(2)]
    for run in runs:
        at_work(trainer, run)
    time.sleep(2 * lifecycle.SWEEP_SECONDS)
    for run in runs:
        assert look(trainer, run)["attempt"] == 1
        trainer.post(f"/api/runs/{run}/cancel")
    for run in runs:
        wait_for(lambda run=run: look(trainer, run)["finished_at"], "the run to end", 20)
        assert look(trainer, run)["attempt"] == 1
    for worker in workers:
        kill(worker)
