"""What `manage.py serve` becomes: it starts web processes and a worker, and for ever starts again what ends.

Each web process is a granian of its own; they listen on the same port, so the others answer while one starts. granian's
own supervision gives up where a process dies twice within 5.5 seconds.
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
# how long an answer may take while the site starts
ANSWER_SECONDS = 2
# the first web process has the cores to itself until it answers, or for so long
ALONE_SECONDS = 20
# a process that ends sooner could not serve, or was killed by its first work
LIVED_SECONDS = 5.0
# before the first, second, ... start in a row of such a process
PAUSE_SECONDS = (0, 1, 2, 4, 8, 15)
# a worker has threads for two runs and two batches, see `clfsite.core.jobs.worker`
# glibc keeps an arena for each of many threads, and raises its thresholds by itself: after large bodies 940 MB stayed that
# nothing used, with these 400. Whoever runs the site may set others.
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "1048576",  # bytes
    "MALLOC_TRIM_THRESHOLD_": "1048576",  # bytes
}
# memory is measured so often, and a process is replaced when that many samples in a row are above the limit
SAMPLE_SECONDS = 15
SAMPLES = 2
# a new process has so long to start before the old one stops listening
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
    """A process that is started again whenever it ends: at once where it had lived, else after a growing pause."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "clfsite.child", *command]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._began = self._due = 0.0
        self._failures = 0

    def look(self) -> None:
        """Start the process where that is due; note its end."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._due:
                self._start(now)
        elif self._process.poll() is not None:
            status = self._process.returncode
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            # granian that was killed alone leaves the process that it started
            end_group(self._process)
            self._process = None
            self._wait(now, f"ended with {how} after {now - self._began:.1f} s")

    def ask_to_stop(self) -> None:
        """Let the process and what it started end what they have begun."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def stop(self, until: float) -> None:
        """Wait for its end up to a moment of the monotonic clock, then kill it."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(until - time.monotonic(), 0.1))
            end_group(self._process)

    def _start(self, now: float) -> None:
        self._began = now
        try:
            # a session of its own: Ctrl-C reaches the supervisor alone, which then ends the others in order
            self._process = subprocess.Popen(  # noqa: S603
                self._command, env=self._environment, start_new_session=True
            )
        except OSError as error:  # such as no memory for one more process
            self._wait(now, f"could not be started ({error})")

    def _wait(self, now: float, what: str) -> None:
        self._failures = 1 if now - self._began >= LIVED_SECONDS else self._failures + 1
        pause = PAUSE_SECONDS[min(self._failures, len(PAUSE_SECONDS)) - 1]
        self._due = now + pause
        # a log that cannot be written, as on a full disk, raises nothing
        logger.error("%s %s; restarting %s", self.name, what, f"in {pause} s" if pause else "now")


def run(processes: Sequence[Kept], is_up: Callable[[], bool]) -> None:
    """Keep processes running until SIGTERM or Ctrl-C, then end them gracefully, side by side.

    Args:
        processes: the first begins alone, the others once the site is up.
        is_up: whether the site answers; asked until it does.
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
    """Whether a web server answers, asked by one of its names; says where it does."""
    # what stands for every address of the machine
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
    """A web process. granian starts the one that answers, and replaces that gracefully.

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
    """Serve until a signal asks for the end."""
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
