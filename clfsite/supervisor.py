"""The supervisor of `manage.py serve`: it starts web processes and a worker, and restarts them when they end.

Each web process is a separate granian; they listen on the same port, so the others answer while one starts.
granian's own supervision gives up if a process dies twice within 5.5 seconds.

A server that takes another one over (`clfsite.takeover`) starts its web processes on the other's sockets. The other one
ends when all of them have loaded their models.
"""

import argparse
import http.client
import logging.config
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

from clfsite.core import logs, shared_memory
from clfsite.core.jobs.processes import end_group
from clfsite.takeover import running
from clfsite.takeover.door import SOCKET, THREADS, WARM
from clfsite.takeover.running import Handover, TakeoverError

logger = logging.getLogger("clfsite.supervisor")

STOP_SECONDS = 15
POLL_SECONDS = 0.1
# seconds for an answer while the site starts
ANSWER_SECONDS = 2
# seconds that the other processes wait for the first web process
ALONE_SECONDS = 20
# seconds in which the web processes that take a port over have to load their models
WARM_SECONDS = 180
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
# most open connections of a web process
CONNECTIONS = 4_096
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

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        listening: int | None = None,
    ) -> None:
        """Create a process that is not started yet.

        Args:
            listening: the descriptor of a socket for its first start; started again, it opens its own.
        """
        self.name = name
        self._listening = listening
        self._command = [sys.executable, "-m", "clfsite.child", *command]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._began = self._due = 0.0
        self._failures = 0

    @property
    def has_failed(self) -> bool:
        """Whether it could not be started, or ended by itself."""
        return self._failures > 0

    def forget_socket(self) -> None:
        """Close this process's copy of the socket, because only the started process needs it."""
        if self._listening is not None:
            os.close(self._listening)
            self._listening = None

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
        inherited = {} if self._listening is None else {SOCKET: str(self._listening)}
        try:
            # a new session, because Ctrl-C must only reach the supervisor, which stops the others in order
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                env={**self._environment, **inherited},
                pass_fds=() if self._listening is None else (self._listening,),
                start_new_session=True,
            )
        except OSError as error:  # for example, no memory for another process
            self._wait(now, f"could not be started ({error})")

    def _wait(self, now: float, what: str) -> None:
        self._failures = 1 if now - self._began >= LIVED_SECONDS else self._failures + 1
        pause = PAUSE_SECONDS[min(self._failures, len(PAUSE_SECONDS)) - 1]
        self._due = now + pause
        # a log that cannot be written, for example on a full disk, must not raise
        logger.error("%s %s; restarting %s", self.name, what, f"in {pause} s" if pause else "now")


def run(
    processes: Sequence[Kept],
    is_up: Callable[[], bool],
    take_over: Callable[[Callable[[], bool]], None] | None = None,
) -> None:
    """Keep processes running until SIGTERM or Ctrl-C, then stop them gracefully in parallel.

    Args:
        processes: the first starts alone, the others when the site is up.
        is_up: whether the site answers; called until it does.
        take_over: starts the first processes in place of another server's; called with a function that tells whether
            to give up.

    Raises:
        TakeoverError: the other server keeps serving, and all processes were stopped.
    """
    is_stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_stopping
        is_stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        if take_over:
            take_over(lambda: is_stopping)
        has_answered, until = False, time.monotonic() + (0 if take_over else ALONE_SECONDS)
        while not is_stopping:
            for process in processes if has_answered or time.monotonic() > until else processes[:1]:
                process.look()
            if not has_answered and is_up():
                has_answered = True
                _notify("READY=1")
            time.sleep(POLL_SECONDS)
        _notify("STOPPING=1")
    finally:
        for process in processes:
            process.ask_to_stop()
        until = time.monotonic() + STOP_SECONDS
        for process in processes:
            process.stop(until)


def replace(handover: Handover, web: Sequence[Kept], folder: Path, is_stopping: Callable[[], bool]) -> None:
    """Start web processes on the sockets of another server; when all are ready, let the other one end.

    Args:
        folder: where the processes open their doors.

    Raises:
        TakeoverError: one of them did not start; the other server keeps serving.
    """

    def look() -> None:
        for process in web:
            process.look()

    until = time.monotonic() + WARM_SECONDS
    while len(running.doors(folder)) < len(web):
        look()
        failed = next((process.name for process in web if process.has_failed), "")
        if failed or is_stopping() or time.monotonic() > until:
            handover.close()
            reason = f"{failed or 'a web process'} did not start" if not is_stopping() else "stopped"
            raise TakeoverError(f"{reason}; the port stays with {handover.server}")
        time.sleep(POLL_SECONDS)
    for process in web:
        process.forget_socket()
    handover.complete(look)
    sys.stdout.write(f"took over from {handover.server}\n")
    sys.stdout.flush()


def _notify(state: str) -> None:
    """Tell systemd the state of the service, if it started this process with Type=notify."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        # the name of an abstract socket begins with NUL
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.sendto(state.encode(), address)


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


def web_command(host: str, port: int, header_seconds: int, memory: int) -> list[str]:
    """The command of a web process. granian starts and gracefully replaces the process that answers.

    Args:
        memory: MiB above which it is replaced; 0 for no limit.
    """
    options = (
        f"--interface rsgi --http 1 --no-ws --workers 1 --workers-kill-timeout {STOP_SECONDS} --log-level error "
        f"--host {host} --port {port} --backlog {CONNECTIONS} --backpressure {CONNECTIONS} "
        f"--http1-header-read-timeout {1_000 * header_seconds}"
    )
    if memory:
        options += (
            f" --workers-max-rss {memory} --rss-sample-interval {SAMPLE_SECONDS} --rss-samples {SAMPLES}"
            f" --respawn-interval {OVERLAP_SECONDS}"
        )
    return ["clfsite.takeover.web", "granian", "clfsite.rsgi:application", *options.split()]


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(prog="clfsite.supervisor", description="Use `manage.py serve`.")
    for option in ("--host", "--name", "--state"):
        parser.add_argument(option, required=True)
    for option in ("--port", "--web", "--threads", "--header-seconds", "--memory"):
        parser.add_argument(option, type=int, required=True)
    parser.add_argument("--no-worker", action="store_true")
    parser.add_argument("--takeover", action="store_true")
    options = parser.parse_args()
    logging.config.dictConfig(
        logs.config(logs.form(os.environ.get("CLFSITE_LOG_FORMAT", "").lower()), "WARNING")
    )
    try:
        folder = shared_memory.make_folder()
        running.note(folder, options.host, options.port, Path(options.state), Path.cwd())
    except OSError as error:
        logger.warning(
            "shared memory is not available, so each web process reports only its own metrics, and no other server "
            "can take over: %s",
            error,
        )
        folder = None
    environment = {
        **ALLOCATOR,
        **os.environ,
        **({shared_memory.FOLDER: str(folder)} if folder else {}),
    }
    try:
        _serve(options, environment, folder)
    except TakeoverError as error:
        raise SystemExit(f"CommandError: {error}") from error
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _serve(options: argparse.Namespace, environment: dict[str, str], folder: Path | None) -> None:
    """Serve until a signal, after the takeover of the port if it was asked for.

    Raises:
        TakeoverError: the port was not taken over.
    """
    other = running.find(options.port, besides=os.getpid()) if options.takeover else None
    handover = Handover(other) if other else None
    if handover and not folder:
        raise TakeoverError("a server without shared memory cannot take over")
    sockets: list[int | None] = [*handover.sockets()] if handover else []
    sockets += [None] * (options.web - len(sockets))
    command = web_command(options.host, options.port, options.header_seconds, options.memory)
    web_environment = {**environment, THREADS: str(options.threads), **({WARM: "1"} if handover else {})}
    web = [
        Kept(f"web process {number}", command, web_environment, listening)
        for number, listening in enumerate(sockets, start=1)
    ]
    processes = [*web] if options.no_worker else [*web, Kept("the worker", WORKER, environment)]
    run(
        processes,
        lambda: is_served(options.host, options.port, options.name),
        partial(replace, handover, web, folder) if handover and folder else None,
    )


if __name__ == "__main__":
    main()
