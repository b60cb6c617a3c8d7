"""`make bench-serve`: one forest behind clfsite and behind FastAPI with SQLAlchemy, in one run on the same machine.

    python -m tests.bench.serving           both sides: 1 and 16 connections, batches of 1,000 rows, and their ratios
    python -m tests.bench.serving --soak    200,000 requests through 200 activations: errors, and memory over time

The table is scikit-learn's breast cancer, the model StandardScaler and a forest of 100 trees. clfsite runs as
`manage.py serve` with one web process, its key check and its log, committed with fsync before the answer; the baseline
logs after the answer and checks no key. Both write to PostgreSQL.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import joblib
import pandas as pd
import psutil
import psycopg2
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.bench import engine, wrk
from tests.support import services
from tests.support.site import ROOT, Site, free_port, wait_for

DATABASE = "clfsite_bench_serving"
TARGET = "diagnosis"
BATCH = 1_000
# what the project promises against the baseline
ASKED = {"1 connection": 7, "16 connections": 25, f"{BATCH:,}-row batch": 5}
SOAK_REQUESTS, SOAK_ACTIVATIONS = 200_000, 200
SLICE_SECONDS = 5


def table() -> pd.DataFrame:
    """The table with its label column; names as an API has them."""
    result = load_breast_cancer(as_frame=True)
    frame: pd.DataFrame = result.data.rename(columns=lambda name: name.replace(" ", "_"))
    return frame.assign(**{TARGET: result.target.map({0: "malignant", 1: "benign"})})


@contextmanager
def scratch_database() -> Iterator[str]:
    """The address of an empty PostgreSQL database, dropped afterwards."""

    def run(statement: str) -> None:
        admin = psycopg2.connect(**services.postgresql_settings("postgres"))
        admin.autocommit = True
        with admin.cursor() as cursor:
            cursor.execute(statement)
        admin.close()

    run(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    run(f"CREATE DATABASE {DATABASE}")
    try:
        yield services.DATABASE_URL.rpartition("/")[0] + "/" + DATABASE
    finally:
        run(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


@contextmanager
def clfsite(folder: Path, database: str, threads: int | None) -> Iterator[tuple[Site, str]]:
    """The site with one web process and a version of the forest that answers, and a key for it."""
    site = Site(folder, {"DATABASE_URL": database})
    site.manage("migrate", "--verbosity", "0")
    train(site, folder / "table.csv", seed=0)
    scopes = [word for scope in ("predict", "activate") for word in ("--scope", scope)]
    key = site.manage("createkey", "bench", *scopes).strip()
    try:
        site.serve("--no-worker", *([] if threads is None else ["--threads", str(threads)]))
        yield site, key
    finally:
        site.stop()


def train(site: Site, csv: Path, *, seed: int) -> int:
    """Train and activate a version, and return its primary key."""
    space = json.dumps({"n_estimators": [100]})
    site.manage("train", str(csv), "--target", TARGET, "--space", space, "--seed", str(seed), "--activate")
    return 1 + seed


@contextmanager
def baseline(folder: Path, frame: pd.DataFrame, database: str) -> Iterator[str]:
    """The address of the baseline, serving such a forest fitted on the same table."""
    X = frame.drop(columns=TARGET)
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(100, random_state=0)).fit(
        X, frame[TARGET]
    )
    joblib.dump(pipeline, folder / "baseline.joblib")
    port = free_port()
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "uvicorn",
            "tests.bench.baseline:app",
            "--port",
            str(port),
            "--log-level",
            "warning",
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "BASELINE_MODEL": str(folder / "baseline.joblib"),
            "BASELINE_DATABASE": database.replace("postgresql://", "postgresql+psycopg2://"),
        },
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _listens(url, server), "the baseline to start")
        yield url
    finally:
        server.terminate()
        server.wait()


def _listens(url: str, server: subprocess.Popen[bytes]) -> bool:
    if server.poll() is not None:
        sys.exit("the baseline did not start; is everything of requirements-dev.txt installed?")
    try:
        return httpx.get(f"{url}/docs", trust_env=False).is_success
    except httpx.TransportError:
        return False


def measure(url: str, folder: Path, one: Path, seconds: int, key: str = "") -> dict[str, wrk.Figures]:
    """Figures of the three kinds of calls, each after a second to warm up."""
    many = folder / "many.json"
    calls = {
        "1 connection": (f"{url}/predict", one, 1),
        "16 connections": (f"{url}/predict", one, 16),
        f"{BATCH:,}-row batch": (f"{url}/predict-batch", many, 1),
    }
    result = {}
    for name, (address, body, connections) in calls.items():
        wrk.post(address, body, connections=connections, seconds=1, key=key)
        result[name] = wrk.post(address, body, connections=connections, seconds=seconds, key=key)
    return result


def write_bodies(folder: Path, frame: pd.DataFrame) -> None:
    """One row as either side takes it, and the same batch for both."""
    rows = json.loads(frame.drop(columns=TARGET).to_json(orient="records"))
    (folder / "plain.json").write_text(json.dumps(rows[0]))
    (folder / "one.json").write_text(json.dumps({"features": rows[0]}))
    (folder / "many.json").write_text(json.dumps({"records": (rows * 2)[:BATCH]}))
    frame.to_csv(folder / "table.csv", index=False)


def compare(seconds: int, threads: int | None) -> int:
    """Measure both sides and print them; returns 1 where an answer failed or was not logged."""
    frame = table()
    with tempfile.TemporaryDirectory(prefix="clfsite-bench-") as name, scratch_database() as database:
        folder = Path(name)
        write_bodies(folder, frame)
        print(
            f"a forest of 100 trees, 30 numbers a row; {os.cpu_count()} cores, shared with wrk and PostgreSQL"
        )
        with baseline(folder, frame, database) as url:
            theirs = measure(url, folder, folder / "plain.json", seconds)
        with clfsite(folder, database, threads) as (site, key):
            ours = measure(site.url, folder, folder / "one.json", seconds, key)
            answered = sum(
                (item.requests - item.errors) * (BATCH if "batch" in call else 1)
                for call, item in ours.items()
            )
            logged = count_logged(database)
        for call, figures in ours.items():
            rows = BATCH if "batch" in call else 1
            for side, item in (("baseline", theirs[call]), ("clfsite", figures)):
                print(
                    f"  {call:15} {side:9} {item.rate * rows:9.0f} rows/s  p50 {item.p50_ms:7.2f} ms"
                    f"  p99 {item.p99_ms:7.2f} ms  errors {item.errors}"
                )
            print(
                f"  {call:15} {figures.rate / theirs[call].rate:.1f} times the baseline; asked: {ASKED[call]}"
            )
    print(f"  {logged:,} rows in the log, {answered:,} of them answered while it was timed")
    print(f"  churn, one row through contract and engine: {engine.microseconds():.0f} us; asked: below 100")
    return int(any(item.errors for item in ours.values()) or logged < answered)


def count_logged(database: str) -> int:
    """How many predictions the log holds."""
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM predictions_prediction")
        (count,) = cursor.fetchone()
    connection.close()
    return int(count)


def soak(threads: int | None) -> int:
    """One hour's traffic compressed: print memory over time; returns 1 where a call failed."""
    with tempfile.TemporaryDirectory(prefix="clfsite-bench-") as name, scratch_database() as database:
        folder = Path(name)
        write_bodies(folder, table())
        with clfsite(folder, database, threads) as (site, key):
            versions = [1, train(site, folder / "table.csv", seed=1)]
            activator = Activator(site, key, versions)
            activator.start()
            served, errors = 0, 0
            while served < SOAK_REQUESTS or activator.is_alive():
                figures = wrk.post(
                    f"{site.url}/predict", folder / "one.json", connections=16, seconds=SLICE_SECONDS, key=key
                )
                served, errors = served + figures.requests, errors + figures.errors
                print(
                    f"  {served:8,} requests  {activator.done:3} activations  {errors} errors  {figures.rate:6.0f}/s"
                    f"  p99 {figures.p99_ms:6.2f} ms  memory {memory_mb(site):5.0f} MB",
                    flush=True,
                )
            activator.join()
            used = versions_used(database)
    print(f"  {activator.failed} activations failed; answers by version: {used}")
    return int(bool(errors or activator.failed))


class Activator(threading.Thread):
    """Activates two versions in turn, slowly enough for the requests that shall see it."""

    def __init__(self, site: Site, key: str, versions: list[int]) -> None:
        super().__init__(daemon=True)
        self._site, self._key, self._versions = site, key, versions
        self.done = self.failed = 0

    def run(self) -> None:
        with self._site.client(self._key) as client:
            while self.done < SOAK_ACTIVATIONS:
                version = self._versions[self.done % len(self._versions)]
                response = client.post(f"/api/versions/{version}/activate", json={"reason": "soak"})
                self.failed += response.is_error
                self.done += 1
                time.sleep(0.4)


def memory_mb(site: Site) -> float:
    """What the web processes hold."""
    server = psutil.Process(site.processes[-1].pid)
    held: float = sum(item.memory_info().rss for item in (server, *server.children(recursive=True)))
    return held / 1e6


def versions_used(database: str) -> dict[str, int]:
    """How many predictions each version gave."""
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT version_id, count(*) FROM predictions_prediction GROUP BY 1 ORDER BY 1")
        rows: list[Any] = cursor.fetchall()
    connection.close()
    return {str(version): count for version, count in rows}


def main() -> int:
    """Say what is missing, or measure."""
    parser = argparse.ArgumentParser(prog="make bench-serve")
    parser.add_argument(
        "--soak", action="store_true", help="200,000 requests through 200 activations instead"
    )
    parser.add_argument("--seconds", type=int, default=6, help="of each figure; default: %(default)s")
    parser.add_argument("--threads", type=int, help="of the web process; default: that of manage.py serve")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk was not found; install it (Debian: apt-get install wrk)")
    if why := services.missing().get("postgresql"):
        sys.exit(f"PostgreSQL is needed: {why}")
    if arguments.soak:
        return soak(arguments.threads)
    return compare(arguments.seconds, arguments.threads)


if __name__ == "__main__":
    sys.exit(main())
