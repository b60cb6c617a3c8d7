"""`manage.py serve`: the web server, and beside it the worker that a single machine needs."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection

from clfsite import env
from clfsite.core.jobs import slots
from clfsite.core.storage import database
from clfsite.core.web import metrics

STOP_SECONDS = 15
# requests that may share a commit of the log: fewer wait longer, more compete for Python's lock; see docs/deployment.md
THREADS = 16
RESTART_SECONDS = 2
# a web server that ends sooner than this cannot serve at all, so that trying again would not help
LIVED_SECONDS = 10
GRANIAN = (
    f"granian clfsite.wsgi:application --interface wsgi --no-ws --respawn-failed-workers "
    f"--workers-kill-timeout {STOP_SECONDS} --log-level error"
).split()
CELERY = [
    "celery",
    "--quiet",
    "--app",
    "clfsite",
    "worker",
    "--pool",
    "threads",
    "--concurrency",
    str(2 * slots.EACH),
    "--loglevel",
    "warning",
    "--without-gossip",
    "--without-mingle",
]


class Command(BaseCommand):
    help = "Serve the site with granian; starts a Celery worker beside it unless told not to. SIGTERM ends both gracefully."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default: %(default)s")
        parser.add_argument("--port", type=int, default=settings.ENV.port, help="default: PORT, or 8000")
        parser.add_argument(
            "--web", type=int, default=1, metavar="N", help="web processes; default: %(default)s"
        )
        parser.add_argument(
            "--threads", type=int, default=THREADS, metavar="N", help="threads of each; default: %(default)s"
        )
        parser.add_argument(
            "--no-worker", action="store_true", help="start no Celery worker; one runs elsewhere"
        )

    def handle(
        self, *, host: str, port: int, web: int, threads: int, no_worker: bool, **_options: object
    ) -> None:
        if web < 1 or threads < 1:
            raise CommandError("--web and --threads take whole numbers above 0")
        self._refuse_unsafe_database()
        # each process keeps count of its own part of a key's calls; other machines may share them too
        environment = {"CLFSITE_WEB_PROCESSES": str(web), **os.environ}
        if web > 1 or not no_worker:
            # of this machine alone, as the files are named by process
            folder = settings.STATE_DIR / "prometheus" / f"{socket.gethostname()}-{port}"
            environment[metrics.SHARED] = str(_fresh(folder))
        server = [sys.executable, "-m", *GRANIAN, "--host", host, "--port", str(port)]
        server += ["--workers", str(web), "--blocking-threads", str(threads)]
        os.chdir(env.BASE_DIR)
        self.stdout.write(f"clfsite is served at http://{host}:{port}/ (Ctrl-C ends it)")
        self.stdout.flush()
        if no_worker:
            os.execve(sys.executable, server, environment)  # noqa: S606
        worker = [sys.executable, "-m", *CELERY]
        status = _supervise(server, worker, environment)
        if status:
            raise CommandError(f"the web server ended with exit status {status}", returncode=1)

    def _refuse_unsafe_database(self) -> None:
        """Refuse a PostgreSQL that may lose commits; one that is away is looked at again by /health/ready.

        Raises:
            CommandError: naming the settings.
        """
        if settings.CLFSITE_UNSAFE_DATABASE:
            return
        try:
            unsafe = database.unsafe_settings()
        except Error as error:
            self.stderr.write(f"the database does not answer yet: {str(error).strip()}")
            return
        finally:
            connection.close()
        if unsafe:
            raise CommandError(unsafe)


def _fresh(folder: Path) -> Path:
    """An empty folder for what web processes and worker count together; that of the last start would add up."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _supervise(server: Sequence[str], worker: Sequence[str], environment: dict[str, str]) -> int:
    """Run both until a signal asks for the end; one that dies is started again.

    granian begins a process of its own anew that was killed, and gives up where one dies twice within seconds, as it may
    when memory is short.

    Returns:
        0 after a signal, or the exit status of a web server that could not even start.
    """
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    web, began = _start(server, environment), time.monotonic()
    helper = _start(worker, environment)
    while not stopping:
        if helper.poll() is not None:
            time.sleep(RESTART_SECONDS)
            helper = _start(worker, environment)
        if web.poll() is not None:
            if time.monotonic() - began < LIVED_SECONDS:
                break
            sys.stderr.write(f"the web server ended with exit status {web.returncode}; it is started again\n")
            web, began = _start(server, environment), time.monotonic()
        time.sleep(0.2)
    status = web.poll() or 0
    _stop(web, helper)
    return 0 if stopping else status


def _start(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    # a session of its own: Ctrl-C reaches this process alone, which then ends the others in order
    return subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603


def _stop(*processes: subprocess.Popen[bytes]) -> None:
    """End processes and their children side by side, gracefully at first."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
