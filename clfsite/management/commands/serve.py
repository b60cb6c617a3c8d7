"""`manage.py serve`: the web server and the worker of a single machine."""

import errno
import os
import socket
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection

from clfsite.core.jobs import site
from clfsite.core.storage import database
from clfsite.management import demo as demos
from clfsite.operations import schema
from clfsite.takeover import running
from clfsite.takeover.running import Running

# concurrent requests of a process, which can share a commit of the log: with fewer, requests wait longer,
# with more, they compete for Python's lock; see docs/deployment.md
THREADS = 16
# web processes on as many cores, so the crash of one is no outage; each needs a core and 250 MB
WEB_PROCESSES = 2


class Command(BaseCommand):
    help = "Serve the site and start a Celery worker, unless --no-worker is given. SIGTERM stops both gracefully."

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
            "--takeover",
            action="store_true",
            help="replace the site's server on this port, if there is one: start new web processes beside its own, "
            "then let it finish; no call fails",
        )
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
        takeover: bool,
        demo: bool,
        **_options: object,
    ) -> None:
        if web is None:
            web = _web_processes()
        if web < 1 or threads < 1:
            raise CommandError("--web and --threads take whole numbers above 0")
        other = running.find(port)
        if takeover and other:
            _refuse_other_server(other, host, web)
        else:
            _refuse_taken_port(host, port, other)
        os.chdir(settings.BASE_DIR)
        if demo:
            _set_up_demo()
        self._refuse_unfit_database(is_takeover=takeover and other is not None)
        # the host name for the check whether it answers, because others are refused
        name = next((name for name in settings.ALLOWED_HOSTS if name != "*"), "localhost").lstrip(".")
        options = [
            f"--host={host}",
            f"--port={port}",
            f"--web={web}",
            f"--threads={threads}",
            f"--header-seconds={settings.ENV.CLFSITE_HEADER_SECONDS}",
            f"--name={name}",
            f"--state={settings.STATE_DIR}",
            # MiB, at least 1 if there is a limit
            f"--memory={-(-settings.ENV.CLFSITE_WEB_MEMORY_BYTES // 1024**2)}",
        ]
        options += [flag for flag, is_set in (("--no-worker", no_worker), ("--takeover", takeover)) if is_set]
        # replaces this process, whose packages would waste 200 MB
        os.execv(sys.executable, [sys.executable, "-m", "clfsite.supervisor", *options])  # noqa: S606

    def _refuse_unfit_database(self, *, is_takeover: bool) -> None:
        """Refuse a schema of a newer release, a state folder of another site, and a PostgreSQL that may lose commits.

        If the database is down, /health/ready checks it later.

        Raises:
            CommandError: naming migrations, folders or settings.
        """
        try:
            newer, older = schema.newer(), schema.older()
            foreign = site.foreign_folder() if older else site.claim_folder()
            unsafe = "" if settings.CLFSITE_UNSAFE_DATABASE else database.unsafe_settings()
        except Error as error:
            self.stderr.write(f"the database does not answer yet: {str(error).strip()}")
            return
        finally:
            connection.close()
        if problem := newer or foreign or unsafe:
            raise CommandError(problem)
        if older and is_takeover:
            raise CommandError(older)
        if older:
            self.stderr.write(older)


def _web_processes() -> int:
    from joblib import cpu_count  # knows the limits of containers; only used here

    cores: int = cpu_count()
    return min(WEB_PROCESSES, cores)


def _set_up_demo() -> None:
    """Create the missing parts of the demo in a separate process, because this one is replaced soon.

    Raises:
        CommandError: it failed; that process has printed the reason.
    """
    is_set_up = demos.is_set_up()
    connection.close()
    if is_set_up:
        sys.stdout.write(
            f"Staff login:  {demos.LOGIN}, with the password of the first start; "
            f"`manage.py changepassword {demos.LOGIN}` sets another one\n"
        )
        sys.stdout.flush()
        return
    done = subprocess.run([sys.executable, "manage.py", "setup_demo"], check=False)
    if done.returncode:
        raise CommandError("the demo could not be set up", returncode=done.returncode)


def _refuse_other_server(other: Running, host: str, web: int) -> None:
    """Refuse to take over a server of another site, or one that this server cannot replace completely.

    Raises:
        CommandError: says what differs and what to do.
    """
    if Path(other.state) != settings.STATE_DIR:
        raise CommandError(
            f"port {other.port} belongs to another site: {other}, with the state folder {other.state}; this site's is "
            f"{settings.STATE_DIR}. Choose another --port, or set CLFSITE_STATE_DIR"
        )
    if other.host != host:
        raise CommandError(f"{other} listens on {other.host}, not on {host}; use --host {other.host}")
    if web < (number := len(other.doors)):
        raise CommandError(
            f"{other} has {number} web processes, whose sockets {web} cannot take over; use --web {number}, or stop "
            "that server first"
        )


def _refuse_taken_port(host: str, port: int, other: Running | None) -> None:
    """Refuse a port that is in use, because two servers on one port would share its calls.

    Raises:
        CommandError: names the server, or has the message of the system.
    """
    try:
        if other and other.host == host:
            # it may not listen yet
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            # like servers, because recently closed connections must not block the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except (OSError, OverflowError) as error:
        who = f" It is used by {other}; --takeover replaces it without a failed call" if other else ""
        raise CommandError(
            f"cannot listen on {host}:{port}: {error}; choose another --host or --port.{who}"
        ) from error
