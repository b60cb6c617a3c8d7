"""`make bench-workers`: a CSV scored by one worker and by several, on PostgreSQL.

    python -m tests.bench.workers [ROWS]       400,000 rows of 30 numbers by default

First with the engine as it is, where the cores are the limit, then with an engine that waits for a second in each part of
10,000 rows, where they are not. At last a worker is killed at work.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import pandas as pd

from tests.bench.batches import LIMIT_SECONDS, learned, write
from tests.support.servers import RedisServer, database
from tests.support.site import Site, free_port, wait_for

ROWS = 400_000
WARM_ROWS = 80_000
ENGINE_SECONDS = 1.0


def workers(site: Site, application: str, count: int) -> list[subprocess.Popen[bytes]]:
    command = ("-m", "celery", "-A", application, "worker", "--pool", "threads", "--concurrency", "2")
    return [site.start(*command) for _ in range(count)]


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def hand_in(caller: httpx.Client, path: Path) -> str:
    with path.open("rb") as file:
        answer = caller.post("/api/batches", files={"file": (path.name, file)}, timeout=300)
    answer.raise_for_status()
    return f"/api/batches/{answer.json()['id']}"


def scored(caller: httpx.Client, address: str) -> float:
    """Wait for the end of a batch, and return the seconds between its check and its end."""

    def ended() -> dict[str, str] | None:
        actual: dict[str, str] = caller.get(address).json()
        return actual if actual["state"] in {"succeeded", "failed"} else None

    actual = wait_for(ended, "the batch to end", LIMIT_SECONDS)
    assert actual["state"] == "succeeded", actual["error"]
    checked, finished = (pd.Timestamp(actual[name]) for name in ("checked_at", "finished_at"))
    return float((finished - checked).total_seconds())


def measure(
    site: Site, caller: httpx.Client, application: str, counts: tuple[int, ...], folder: Path
) -> None:
    first = 0.0
    for count in counts:
        started = workers(site, application, count)
        # until all have loaded the model
        for _ in range(2):
            scored(caller, hand_in(caller, folder / "warm.csv"))
        seconds = scored(caller, hand_in(caller, folder / "rows.csv"))
        first = first or seconds
        print(f"  {count} workers: {seconds:6.1f} s, {first / seconds:.2f} times as fast", flush=True)
        end(started)


def kill_one(site: Site, caller: httpx.Client, path: Path) -> None:
    started = workers(site, "tests.bench.slow_engine", 2)
    address = hand_in(caller, path)
    wait_for(lambda: caller.get(address).json()["rows_done"] > WARM_ROWS, "some parts", LIMIT_SECONDS)
    end(started[:1])
    seconds, actual = scored(caller, address), caller.get(address).json()
    print(f"  2 workers, one of them killed: {seconds:6.1f} s, attempt {actual['attempt']}", flush=True)
    end(started[1:])


def main(rows: int) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = RedisServer(folder, free_port())
        redis.start()
        stack.callback(redis.stop)
        environment = {
            "CLFSITE_UPLOAD_BYTES": str(4 * 1024**3),
            "CLFSITE_KEY_RATE": "0",
            "DATABASE_URL": stack.enter_context(database()),
            "CELERY_BROKER_URL": redis.url,
            "BENCH_ENGINE_SECONDS": str(ENGINE_SECONDS),
            "OMP_NUM_THREADS": "1",
        }
        site = Site(folder, environment)
        stack.callback(site.stop)
        learned().to_csv(folder / "cancer.csv", index=False)
        site.manage("migrate", "--verbosity", "0")
        site.manage(
            *("train", str(folder / "cancer.csv"), "--target", "diagnosis", "--activate"),
            *("--folds", "3", "--space", '{"n_estimators": [100]}'),
        )
        site.serve("--no-worker")
        write(folder / "rows.csv", rows)
        write(folder / "warm.csv", WARM_ROWS)
        with site.client(
            site.manage("createkey", "caller", "--scope", "predict", "--scope", "read").strip()
        ) as caller:
            print(f"{rows:,} rows of 30 numbers, a forest of 100 trees", flush=True)
            measure(site, caller, "clfsite", (1, 2), folder)
            print(f"the same, with an engine that waits for {ENGINE_SECONDS:g} s in each part", flush=True)
            measure(site, caller, "tests.bench.slow_engine", (1, 4), folder)
            kill_one(site, caller, folder / "rows.csv")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
