"""`manage.py serve`: the web server, and beside it the worker that a single machine needs."""

import os
import socket
import subprocess
import sys
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection

from clfsite import demo as demos
from clfsite.core.storage import database

# requests that may share a commit of the log: fewer wait longer, more compete for Python's lock; see docs/deployment.md
THREADS = 16
# where there are as many cores, so that one that dies is no outage; each needs a core and 250 MB
WEB_PROCESSES = 2


class Command(BaseCommand):
    help = "Serve the site and start a Celery worker, unless --no-worker is given. SIGTERM stops both gracefully."
    # of the code, not of an installation; they would load every page here, as each web process does
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default: %(default)s")
        parser.add_argument("--port", type=int, default=settings.ENV.PORT, help="default: PORT, or 8000")
        parser.add_argument(
            "--web",
            type=int,
            metavar="N",
            help=f"web processes; default: {WEB_PROCESSES}, or 1 on a single core",
        )
        parser.add_argument(
            "--threads",
            type=int,
            default=THREADS,
            metavar="N",
            help="threads per process; default: %(default)s",
        )
        parser.add_argument("--no-worker", action="store_true", help="do not start a Celery worker")
        parser.add_argument(
            "--demo", action="store_true", help="run setup_demo first, if any part of the demo is missing"
        )

    def handle(
        self,
        *,
        host: str,
        port: int,
        web: int | None,
        threads: int,
        no_worker: bool,
        demo: bool,
        **_options: object,
    ) -> None:
        if web is None:
            web = _web_processes()
        if web < 1 or threads < 1:
            raise CommandError("--web and --threads take whole numbers above 0")
        _refuse_taken_port(host, port)
        os.chdir(settings.BASE_DIR)
        if demo:
            _set_up_demo()
        self._refuse_unsafe_database()
        # the name by which to ask whether it answers: it refuses others
        name = next((name for name in settings.ALLOWED_HOSTS if name != "*"), "localhost").lstrip(".")
        options = [
            f"--host={host}",
            f"--port={port}",
            f"--web={web}",
            f"--threads={threads}",
            f"--name={name}",
            # in MiB, at least one where there is a limit
            f"--memory={-(-settings.ENV.CLFSITE_WEB_MEMORY_BYTES // 1024**2)}",
        ]
        if no_worker:
            options.append("--no-worker")
        # in place of this process, whose packages would take 200 MB for nothing
        os.execv(sys.executable, [sys.executable, "-m", "clfsite.supervisor", *options])  # noqa: S606

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


def _web_processes() -> int:
    from joblib import cpu_count  # knows of the limits of containers, and is for this alone

    cores: int = cpu_count()
    return min(WEB_PROCESSES, cores)


def _set_up_demo() -> None:
    """Make what is missing of the demo, in a process of its own, as this one is to start anew in a moment.

    Raises:
        CommandError: it could not be made; that process has said why.
    """
    is_set_up = demos.is_set_up()
    connection.close()
    if is_set_up:
        return
    done = subprocess.run([sys.executable, "manage.py", "setup_demo"], check=False)
    if done.returncode:
        raise CommandError("the demo could not be set up", returncode=done.returncode)


def _refuse_taken_port(host: str, port: int) -> None:
    """Refuse what would never listen, rather than try for ever.

    Raises:
        CommandError: with the system's words.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            # as servers do: connections that ended a moment ago are in nobody's way
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except (OSError, OverflowError) as error:
        raise CommandError(
            f"cannot listen on {host}:{port}: {error}; choose another --host or --port"
        ) from error
