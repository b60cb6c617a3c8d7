"""Servers of a test's own, to be stopped, frozen and emptied without harm to anybody else."""

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from tests.support import services
from tests.support.site import free_port, wait_for

# where Debian and the source distribution put what is not on the PATH
SERVER_PROGRAMS = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin")


@contextmanager
def database() -> Iterator[str]:
    """The URL of a new database on the test server, dropped afterwards."""
    name = f"clfsite_test_{uuid.uuid4().hex[:8]}"
    server = psycopg2.connect(services.DATABASE_URL)
    server.autocommit = True
    try:
        with server.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}"')
        yield services.DATABASE_URL.rsplit("/", 1)[0] + f"/{name}"
    finally:
        with server.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        server.close()


@contextmanager
def maybe_database(kind: str) -> Iterator[dict[str, str]]:
    """The settings of a site on this kind of database: a new one on the test server, or nothing for SQLite."""
    if kind == "sqlite":
        yield {}
        return
    with database() as url:
        yield {"DATABASE_URL": url}


@dataclass
class RedisServer:
    """A Redis in a process of its own that keeps nothing on disk."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(
            [
                "redis-server",
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                self.folder,
            ],
            stdout=subprocess.DEVNULL,
        )
        wait_for(self._answers, "Redis to start", 20)

    def flush(self) -> None:
        """Lose every message."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.is_running:
            self._send(signal.SIGCONT)

    def stop(self) -> None:
        """End it, and lose what it held."""
        if self.process and self.is_running:
            self.thaw()
            self.process.kill()
            self.process.wait()

    def _send(self, number: int) -> None:
        assert self.process
        os.kill(self.process.pid, number)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@dataclass
class PostgresServer:
    """A PostgreSQL with a cluster of its own, run as the user postgres where the tests run as root."""

    programs: Path
    folder: Path
    port: int
    settings: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Write the cluster."""
        command = [str(self.programs / "initdb"), "--pgdata", str(self.folder / "data")]
        command += ["--username", "postgres", "--auth", "trust"]
        subprocess.run(command, user=_server_user(), check=True, capture_output=True)

    def start(self, *settings: str) -> None:
        """Start it with settings such as `fsync=off`, and wait until it answers."""
        own = (f"port={self.port}", f"unix_socket_directories={self.folder}", "listen_addresses=127.0.0.1")
        options = [part for item in (*own, *self.settings, *settings) for part in ("-c", item)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *options],
                user=_server_user(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._answers, "PostgreSQL to start", 20)

    def freeze(self) -> None:
        """Stop every process of it where it stands; connections stay open, and nobody answers."""
        for process in self._processes():
            # one that served a connection may have ended since they were listed
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def stop(self) -> None:
        """End it at once and without a last word, as if its machine was switched off."""
        if self.process and self.process.poll() is None:
            self.thaw()
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(20)

    def _processes(self) -> list[psutil.Process]:
        assert self.process
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True


@contextmanager
def postgresql(*settings: str) -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, running; gone afterwards.

    Raises:
        FileNotFoundError: its programs are not installed.
    """
    folder = Path(tempfile.mkdtemp(prefix="clfsite-postgresql-"))
    if user := _server_user():
        shutil.chown(folder, user)
    server = PostgresServer(server_programs(), folder, free_port(), settings)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def server_programs() -> Path:
    """The folder of initdb and postgres.

    Raises:
        FileNotFoundError: they are not installed.
    """
    if result := shutil.which("initdb"):
        return Path(result).parent
    folders = [folder for pattern in SERVER_PROGRAMS for folder in Path("/").glob(pattern[1:])]
    if not folders:
        raise FileNotFoundError("initdb of PostgreSQL is not installed")
    return max(folders, key=lambda folder: [int(part) for part in folder.parts if part.isdigit()])


def _server_user() -> str | None:
    return "postgres" if os.geteuid() == 0 else None


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A running Redis, gone afterwards; without the program the test is skipped."""
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    server = RedisServer(folder, free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
