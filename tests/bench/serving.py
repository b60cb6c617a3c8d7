"""Serving the demo classifier over HTTP, key check and committed log included, against the bare pipeline in memory."""

import statistics
import tempfile
import threading
import time
from pathlib import Path

import joblib
import pandas as pd

from tests.site import Site, demo_site

SECONDS = 5.0


def in_memory(site: Site, example: dict[str, object]) -> float:
    """Rows per second of the pipeline alone, one DataFrame a row."""
    artifact = next(site.state.glob("artifacts/*/*/pipeline.joblib"))
    pipeline = joblib.load(artifact)
    frame = pd.DataFrame([example])
    began = time.perf_counter()
    count = 0
    while time.perf_counter() - began < SECONDS:
        pipeline.predict_proba(frame)
        count += 1
    return count / SECONDS


def over_http(site: Site, example: dict[str, object], connections: int) -> tuple[float, float]:
    """Requests per second and the median latency in ms of /predict."""
    latencies: list[float] = []
    end = time.perf_counter() + SECONDS

    def call() -> None:
        with site.client() as client:
            while (began := time.perf_counter()) < end:
                client.post("/predict", json={"features": example}).raise_for_status()
                latencies.append(time.perf_counter() - began)

    threads = [threading.Thread(target=call) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(latencies) / SECONDS, statistics.median(latencies) * 1_000


def main() -> None:
    """Start a site with the demo classifier, measure and print."""
    with tempfile.TemporaryDirectory(prefix="clfsite-bench-") as folder, demo_site(Path(folder)) as site:
        site.serve()
        with site.client() as client:
            example = client.get("/info").json()["classifiers"][0]["example"]
        bare = in_memory(site, example)
        print(
            "serving one row, logistic regression on the demo table, SQLite, the client on the same machine"
        )
        print(f"  pipeline alone      {bare:7.0f} rows/s")
        for connections in (1, 8):
            rate, latency = over_http(site, example, connections)
            ratio = rate / bare
            print(
                f"  /predict, {connections} at once {rate:7.0f} rows/s  median {latency:.1f} ms  {ratio:.2f} of the bare pipeline"
            )
