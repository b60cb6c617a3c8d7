"""`make bench-soak`: everything at once for an hour, and the memory of every process meanwhile.

    python -m tests.bench.soak [MINUTES]       60 by default

Callers with a ledger, large batches in plain and gzip, pinned versions, refused bodies of up to 15 MB, slow callers, every
page of the portal, reports, CSV batches, runs, activations, feedback, exports and housekeeping run side by side on
PostgreSQL and Redis, with two web processes. At the end ledger and log are compared.
"""

import contextlib
import gzip
import itertools
import json
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.functional.faults.conftest import database_of, example_of, make_key, train_second
from tests.functional.faults.ledger import compare, count
from tests.functional.faults.load import Load, kept_ledger, large_bodies
from tests.support.servers import RedisServer, database
from tests.support.site import PASSWORD, ROOT, Site, demo_site, free_port

MB = 1e6
SAMPLE_SECONDS = 10
COLUMNS = 12
PAGES = (
    *("/portal/", "/portal/predict", "/portal/batches", "/portal/predictions", "/portal/feedback", "/portal/review"),
    *("/portal/analytics", "/portal/monitoring", "/portal/alerts", "/portal/datasets", "/portal/runs", "/portal/versions"),
    *("/portal/versions/1", "/portal/versions/compare?version=1&version=2", "/portal/classifiers/1", "/portal/keys"),
    *("/portal/versions/1/report.html", "/portal/versions/1/report.pdf", "/portal/predictions.csv", "/docs", "/help/"),
)  # fmt: skip


@dataclass
class Everything:
    """What goes on at once, each thing in a thread of its own, and how its calls ended."""

    site: Site
    key: str
    example: dict[str, Any]
    outcomes: Counter[str] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        every: tuple[tuple[Callable[[httpx.Client, int], str], float], ...] = (
            (self.batch, 0.5),
            (self.pinned, 0.2),
            (self.refused, 20),
            (self.slow, 1),
            (self.page, 1),
            (self.file, 40),
            (self.train, 150),
            (self.activate, 60),
            (self.judge, 2),
            (self.keep_house, 300),
        )
        self._threads = [
            threading.Thread(target=self._go_on, args=what, name=what[0].__name__, daemon=True)
            for what in every
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)

    def _go_on(self, act: Callable[[httpx.Client, int], str], pause: float) -> None:
        with self.site.client(self.key) as caller:
            caller.timeout = httpx.Timeout(300)
            for number in itertools.count():
                try:
                    outcome = act(caller, number)
                except (httpx.HTTPError, OSError) as error:
                    outcome = type(error).__name__
                self.outcomes[f"{act.__name__}: {outcome}"] += 1
                if self._stop.wait(pause):
                    return

    def batch(self, caller: httpx.Client, number: int) -> str:
        """A thousand rows, every second time packed."""
        body = json.dumps({"records": [self._row(number * 1_000 + row) for row in range(1_000)]}).encode()
        kind = {"Content-Type": "application/json"}
        if number % 2:
            body, kind = gzip.compress(body), {**kind, "Content-Encoding": "gzip"}
        return str(caller.post("/predict-batch", content=body, headers=kind).status_code)

    def pinned(self, caller: httpx.Client, number: int) -> str:
        """A row for any version that there is."""
        listed = caller.get("/api/versions")
        listed.raise_for_status()
        versions = listed.json()["results"]
        body = {"features": self._row(number), "version": versions[number % len(versions)]["number"]}
        return str(caller.post("/predict", json=body).status_code)

    def refused(self, caller: httpx.Client, number: int) -> str:
        """A body of up to 15 MB with nothing that could be scored."""
        bodies = large_bodies()
        body = bodies[number % len(bodies)]
        path = "/predict-batch" if b"records" in body[:20] else "/predict"
        return str(caller.post(path, content=body, headers={"Content-Type": "application/json"}).status_code)

    def slow(self, caller: httpx.Client, number: int) -> str:
        """A body that comes in pieces over five seconds, and every third time breaks off."""
        body = json.dumps({"features": self._row(number)}).encode()
        head = (
            f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.site.port), 30) as connection:
            connection.sendall(head.encode())
            for first in range(0, len(body), len(body) // 10 + 1):
                if number % 3 == 0 and first:
                    return "broken off"
                connection.sendall(body[first : first + len(body) // 10 + 1])
                time.sleep(0.5)
            return connection.recv(12).decode()[9:]

    def page(self, caller: httpx.Client, number: int) -> str:
        """A page as a person sees it."""
        if number == 0:
            token = caller.get("/accounts/login/").cookies["csrftoken"]
            fields = {"username": "demo", "password": PASSWORD, "csrfmiddlewaretoken": token}
            caller.post("/accounts/login/", data=fields, headers={"Referer": self.site.url})
        path = PAGES[number % len(PAGES)]
        status = caller.get(path).status_code
        return str(status) if status == httpx.codes.OK else f"{path} {status}"

    def file(self, caller: httpx.Client, number: int) -> str:
        """A CSV batch of the demo table six times over, from its upload to its result."""
        header, *rows = (ROOT / "data" / "churn.csv").read_text().splitlines(keepends=True)
        answer = caller.post(
            "/api/batches", files={"file": ("rows.csv", (header + "".join(rows) * 6).encode())}
        )
        if not answer.is_success:
            return str(answer.status_code)
        address = f"/api/batches/{answer.json()['id']}"
        state = self._settled(caller, address)
        if state == "succeeded":
            caller.get(f"{address}/result").raise_for_status()
        return state

    def train(self, caller: httpx.Client, number: int) -> str:
        """A run, whose version anyone may pin afterwards."""
        estimator = ("random_forest", "hist_gradient_boosting", "logistic_regression")[number % 3]
        answer = caller.post("/api/runs", json={"dataset": 1, "estimator": estimator})
        return (
            self._settled(caller, f"/api/runs/{answer.json()['id']}")
            if answer.is_success
            else answer.text[:200]
        )

    def activate(self, caller: httpx.Client, number: int) -> str:
        """Versions 2 and 1 in turn."""
        reason = {"reason": "in turn"}
        return str(caller.post(f"/api/versions/{2 - number % 2}/activate", json=reason).status_code)

    def judge(self, caller: httpx.Client, number: int) -> str:
        """The true label of the newest prediction."""
        newest = caller.get("/api/predictions")
        newest.raise_for_status()
        address = f"/api/predictions/{newest.json()['results'][0]['id']}/feedback"
        return str(caller.post(address, json={"label": "Yes"}).status_code)

    def keep_house(self, caller: httpx.Client, number: int) -> str:
        """What the scheduler does every day."""
        self.site.manage("housekeeping")
        return "done"

    def _row(self, number: int) -> dict[str, Any]:
        return {**self.example, "tenure": number % 72, "monthly_charges": 20 + number % 90}

    def _settled(self, caller: httpx.Client, address: str) -> str:
        while not self._stop.wait(1):
            state = str(caller.get(address).json()["state"])
            if state in {"succeeded", "failed", "cancelled"}:
                return state
        return "not over"


def memory(site: Site) -> dict[str, float]:
    """Resident MB of the site's processes by what they are, the largest where there are several."""
    server = psutil.Process(site.processes[-1].pid)
    result: dict[str, float] = {}
    for process in (server, *server.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            name, rss = role(process), process.memory_info().rss / MB
            result[name] = max(result.get(name, 0), rss)
    return result


def role(process: psutil.Process) -> str:
    """What a process of the site does."""
    command = " ".join(process.cmdline())
    return next((name for name in ("celery", "train", "granian") if name in command), "supervisor")


def main(minutes: float) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = RedisServer(folder, free_port())
        redis.start()
        stack.callback(redis.stop)
        environment = {
            "DATABASE_URL": stack.enter_context(database()),
            "CELERY_BROKER_URL": redis.url,
            "CLFSITE_KEY_RATE": "0",
        }
        (folder / "site").mkdir()
        site = stack.enter_context(demo_site(folder / "site", environment))
        train_second(site)
        key = make_key(site, "everything", "train", "read", "activate", "predict", "feedback")
        site.serve("--web", "2")
        before = count(database_of(site))
        ledger = stack.enter_context(kept_ledger(folder / "ledger.jsonl"))
        everything = Everything(site, key, example_of(site))
        began, series = time.monotonic(), []
        with Load(site.port, everything.example, ledger, callers=4, are_named=True) as load:
            everything.start()
            while time.monotonic() - began < minutes * 60:
                time.sleep(SAMPLE_SECONDS)
                series.append(memory(site))
            everything.end()
        told(series, minutes)
        print("calls of the ledger by status:", load.by_status())
        for outcome, times in sorted(everything.outcomes.items()):
            print(f"  {outcome}: {times:,}")
        comparison = compare(ledger, database_of(site), before, caller="demo")
        print(
            f"{comparison.acknowledged:,} acknowledged, {len(comparison.faults)} faults {comparison.faults[:5]}"
        )


def told(series: list[dict[str, float]], minutes: float) -> None:
    """Print the largest resident MB in each twelfth of the time by process."""
    size = max(len(series) // COLUMNS, 1)
    parts = [series[first : first + size] for first in range(0, len(series), size)]
    print(f"largest resident MB of a process, in {len(parts)} parts of {minutes:g} minutes")
    for name in sorted({name for sample in series for name in sample}):
        print(f"  {name:10}", *(f"{max(sample.get(name, 0) for sample in part):6.0f}" for part in parts))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
