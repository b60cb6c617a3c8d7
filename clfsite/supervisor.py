"""The supervisor of `manage.py serve`: it starts web processes and a worker, and restarts them when they end.

Each web process is a separate granian; they listen on the same port, so the others answer while one starts.
granian's own supervision gives up if a process dies twice within 5.5 seconds.
"""

import argparse
import http.client
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType

from clfsite.core import shared_memory
from clfsite.core.jobs.processes import end_group

logger = logging.getLogger("clfsite.supervisor")

STOP_SECONDS = 15
POLL_SECONDS = 0.1
# seconds for an answer while the site starts
ANSWER_SECONDS = 2
# seconds that the other processes wait for the first web process
ALONE_SECONDS = 20
# seconds; a process that ends earlier could not start, or was killed by its first work
LIVED_SECONDS = 5.0
# seconds before the first, second, ... restart of such a process
PAUSE_SECONDS = (0, 1, 2, 4, 8, 15)
# a worker has threads for two runs and two batches, see `clfsite.core.jobs.worker`
# glibc keeps an arena per thread and raises its thresholds: after large bodies, 940 MB stayed in use, with
# these values 400. Operators can override them.
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "1048576",  # bytes
    "MALLOC_TRIM_THRESHOLD_": "1048576",  # bytes
}
# seconds between samples of memory; a process is replaced after this number of samples above the limit
SAMPLE_SECONDS = 15
SAMPLES = 2
# seconds that a new process has to start before the old one stops listening
OVERLAP_SECONDS = 10
WORKER = [
    "celery",
    "--quiet",
    "--app",
    "clfsite",
    "worker",
    "--pool",
    "threads",
    "--concurrency",
    "4",
    "--loglevel",
    "warning",
    "--without-gossip",
    "--without-mingle",
]


class Kept:
    """A process that is restarted when it ends: at once if it was stable, otherwise after a growing pause."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "clfsite.child", *command]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._began = self._due = 0.0
        self._failures = 0

    def look(self) -> None:
        """Start the process if it is due, and record its end."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._due:
                self._start(now)
        elif self._process.poll() is not None:
            status = self._process.returncode
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            # a killed granian leaves its child process behind
            end_group(self._process)
            self._process = None
            self._wait(now, f"ended with {how} after {now - self._began:.1f} s")

    def ask_to_stop(self) -> None:
        """Ask the process and its children to finish their work."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def stop(self, until: float) -> None:
        """Wait for its end until a monotonic time, then kill it."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(until - time.monotonic(), 0.1))
            end_group(self._process)

    def _start(self, now: float) -> None:
        self._began = now
        try:
            # a new session, because Ctrl-C must only reach the supervisor, which stops the others in order
            self._process = subprocess.Popen(  # noqa: S603
                self._command, env=self._environment, start_new_session=True
            )
        except OSError as error:  # for example, no memory for another process
            self._wait(now, f"could not be started ({error})")

    def _wait(self, now: float, what: str) -> None:
        self._failures = 1 if now - self._began >= LIVED_SECONDS else self._failures + 1
        pause = PAUSE_SECONDS[min(self._failures, len(PAUSE_SECONDS)) - 1]
        self._due = now + pause
        # a log that cannot be written, for example on a full disk, must not raise
        logger.error("%s %s; restarting %s", self.name, what, f"in {pause} s" if pause else "now")


def run(processes: Sequence[Kept], is_up: Callable[[], bool]) -> None:
    """Keep processes running until SIGTERM or Ctrl-C, then stop them gracefully in parallel.

    Args:
        processes: the first starts alone, the others when the site is up.
        is_up: whether the site answers; called until it does.
    """
    is_stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_stopping
        is_stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    has_answered, until = False, time.monotonic() + ALONE_SECONDS
    while not is_stopping:
        for process in processes if has_answered or time.monotonic() > until else processes[:1]:
            process.look()
        has_answered = has_answered or is_up()
        time.sleep(POLL_SECONDS)
    for process in processes:
        process.ask_to_stop()
    until = time.monotonic() + STOP_SECONDS
    for process in processes:
        process.stop(until)


def is_served(host: str, port: int, name: str) -> bool:
    """Whether a web server answers with one of its host names; prints the address if it does."""
    # all addresses of the machine
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    client = http.client.HTTPConnection(address, port, timeout=ANSWER_SECONDS)
    try:
        client.request("GET", "/health/live", headers={"Host": name})
        client.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()
    sys.stdout.write(f"clfsite is served at http://{host}:{port}/ (Ctrl-C to stop)\n")
    sys.stdout.flush()
    return True


def web_command(host: str, port: int, threads: int, memory: int) -> list[str]:
    """The command of a web process. granian starts and gracefully replaces the process that answers.

    Args:
        memory: MiB above which it is replaced; 0 for no limit.
    """
    options = (
        f"--interface wsgi --no-ws --workers 1 --workers-kill-timeout {STOP_SECONDS} --log-level error "
        f"--host {host} --port {port} --blocking-threads {threads}"
    )
    if memory:
        options += (
            f" --workers-max-rss {memory} --rss-sample-interval {SAMPLE_SECONDS} --rss-samples {SAMPLES}"
            f" --respawn-interval {OVERLAP_SECONDS}"
        )
    return ["granian", "clfsite.wsgi:application", *options.split()]


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(prog="clfsite.supervisor", description="Use `manage.py serve`.")
    for option in ("--host", "--name"):
        parser.add_argument(option, required=True)
    for option in ("--port", "--web", "--threads", "--memory"):
        parser.add_argument(option, type=int, required=True)
    parser.add_argument("--no-worker", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(format="{asctime} {levelname} {name}: {message}", style="{")
    try:
        folder = shared_memory.make_folder()
    except OSError as error:
        logger.warning(
            "shared memory is not available, so each web process reports only its own metrics: %s", error
        )
        folder = None
    environment = {
        **ALLOCATOR,
        **os.environ,
        **({shared_memory.FOLDER: str(folder)} if folder else {}),
    }
    command = web_command(options.host, options.port, options.threads, options.memory)
    names = [f"web process {number}" for number in range(1, options.web + 1)]
    processes = [Kept(name, command, environment) for name in names]
    if not options.no_worker:
        processes.append(Kept("the worker", WORKER, environment))
    try:
        run(processes, lambda: is_served(options.host, options.port, options.name))
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
