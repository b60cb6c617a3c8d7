"""`make bench-batch`: a CSV as a job of the real site, from upload to result, and what memory that takes.

    python -m tests.bench.batches [ROWS]       300,000 rows of 30 numbers by default, then ten times as many

A forest of 100 trees answers; PostgreSQL holds the log where it is reachable, else SQLite. Web process and worker are
processes of their own, whose peak memory the kernel tells.
"""

import contextlib
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import psutil
from sklearn.datasets import load_breast_cancer

from tests.support import services
from tests.support.servers import database
from tests.support.site import Site, wait_for

ROWS = 300_000
AT_ONCE = 100_000
LIMIT_SECONDS = 600
WORKER = ("-m", "celery", "-A", "clfsite", "worker", "--pool", "threads", "--concurrency", "1")


def learned() -> pd.DataFrame:
    """The table to learn from: 30 numbers and a diagnosis."""
    data = load_breast_cancer(as_frame=True)
    table: pd.DataFrame = data.data.assign(diagnosis=np.where(data.target == 0, "malignant", "benign"))
    return table


def write(path: Path, rows: int) -> None:
    """Rows like those learned from, each number moved a little within its range."""
    table = learned().drop(columns="diagnosis")
    random = np.random.default_rng(0)
    for first in range(0, rows, AT_ONCE):
        drawn = table.sample(min(AT_ONCE, rows - first), replace=True, random_state=first)
        moved = drawn * (1 + random.normal(0, 0.01, drawn.shape))
        moved = moved.clip(table.min(), table.max(), axis=1).round(5)
        moved.to_csv(path, mode="a", header=not first, index=False)


def peak(process: int) -> int:
    """The most memory a process has had, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def score(caller: httpx.Client, path: Path) -> tuple[float, float]:
    """Seconds of the check and of the scoring of a file, as its worker had them."""
    with path.open("rb") as file:
        answer = caller.post("/api/batches", files={"file": (path.name, file)}, timeout=300)
    answer.raise_for_status()
    address = f"/api/batches/{answer.json()['id']}"

    def ended() -> dict[str, str] | None:
        actual: dict[str, str] = caller.get(address).json()
        return actual if actual["state"] in {"succeeded", "failed"} else None

    actual = wait_for(ended, "the batch to end", LIMIT_SECONDS)
    assert actual["state"] == "succeeded", actual["error"]
    with caller.stream("GET", f"{address}/result") as result:
        lines = sum(chunk.count(b"\n") for chunk in result.iter_bytes())
    assert lines == actual["rows_total"] + 1
    started, checked, finished = (
        pd.Timestamp(actual[name]) for name in ("started_at", "checked_at", "finished_at")
    )
    return (checked - started).total_seconds(), (finished - checked).total_seconds()


def main(rows: int) -> None:
    with contextlib.ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = {"CLFSITE_UPLOAD_BYTES": str(4 * 1024**3), "CLFSITE_KEY_RATE": "0"}
        if "postgresql" not in services.missing():
            environment["DATABASE_URL"] = stack.enter_context(database())
        site = Site(state, environment)
        stack.callback(site.stop)
        learned().to_csv(state / "cancer.csv", index=False)
        site.manage("migrate", "--verbosity", "0")
        site.manage(
            *("train", str(state / "cancer.csv"), "--target", "diagnosis", "--activate"),
            *("--folds", "3", "--space", '{"n_estimators": [100]}'),
        )
        site.serve("--no-worker")
        worker = site.start(*WORKER)
        key = site.manage("createkey", "caller", "--scope", "predict", "--scope", "read").strip()
        log = "PostgreSQL" if "DATABASE_URL" in environment else "SQLite"
        print(f"a CSV of 30 numbers, a forest of 100 trees, the log in {log}", flush=True)
        with site.client(key) as caller:
            for count in (rows, 10 * rows):
                path = state / f"rows-{count}.csv"
                write(path, count)
                began = time.perf_counter()
                check, scoring = score(caller, path)
                whole = time.perf_counter() - began
                path.unlink()
                print(
                    f"  {count:9,} rows: scored and logged {count / scoring:7,.0f} rows/s, with the check before "
                    f"{count / (check + scoring):7,.0f} rows/s, from upload to result {whole:.1f} s; peak memory "
                    f"{peak(worker.pid)} MB of the worker, {_web(site)} MB of the web process",
                    flush=True,
                )


def _web(site: Site) -> int:
    """The most memory of the web server's processes."""
    server = psutil.Process(site.processes[0].pid)
    return max(peak(item.pid) for item in [server, *server.children(recursive=True)])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
