"""A real Dask scheduler with workers, each a process of its own, talking over TCP."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from distributed import Client

from tests.support.site import ROOT, free_port, wait_for

DASK = [sys.executable, "-m", "dask"]


@dataclass
class Cluster:
    """Processes started by the command lines that an operator uses."""

    folder: Path
    address: str = field(default_factory=lambda: f"tcp://127.0.0.1:{free_port()}")
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        host, port = self.address.removeprefix("tcp://").split(":")
        return self._start("scheduler", "--host", host, "--port", port, "--no-dashboard")

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start one worker with one thread, which a process beside it starts anew when it dies."""
        folder = ("--local-directory", str(self.folder))
        return self._start("worker", self.address, "--nthreads", "1", "--no-dashboard", *folder, *options)

    def wait_for_workers(self, count: int) -> None:
        with Client(self.address, timeout=30, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def stop(self) -> None:
        for process in self.processes:
            # a worker has the process beside it for a child
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        # workers import the site's code; two deaths are enough to give a task up
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        }
        with (self.folder / f"{command[0]}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*DASK, *command],
                env=environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process


@contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """A scheduler with so many workers, all gone afterwards."""
    cluster = Cluster(folder)
    try:
        scheduler = cluster.start_scheduler()
        for _ in range(workers):
            cluster.start_worker()
        wait_for(
            lambda: scheduler.poll() is None and "Scheduler at" in cluster.logs(),
            "the scheduler to start",
            60,
        )
        if workers:
            cluster.wait_for_workers(workers)
        yield cluster
    finally:
        cluster.stop()
