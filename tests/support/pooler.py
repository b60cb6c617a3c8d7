"""A pgbouncer in transaction mode before the test server, as Neon has one before its databases.

`make test-pgbouncer` (`python -m tests.support.pooler`) runs the tests that talk to the database through it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2

from tests.run import SIDE_BY_SIDE
from tests.support import services
from tests.support.site import free_port, wait_for

# the role that pgbouncer runs as where the tests run as root, which it refuses to be
UNPRIVILEGED = ("postgres", "nobody")


def missing() -> str:
    """Why it cannot be used, or an empty string."""
    if "postgresql" in services.missing():
        return services.missing()["postgresql"]
    return "" if shutil.which("pgbouncer") else "pgbouncer is not installed"


@contextmanager
def transactions(folder: Path, database: str) -> Iterator[str]:
    """The URL of a database of the test server through a pooler with two connections, each lent for one transaction."""
    server = psycopg2.extensions.parse_dsn(services.DATABASE_URL)
    user, password = server.get("user", ""), server.get("password", "")
    port = free_port()
    names = ("host", "port", "user", "password")
    target = " ".join(f"{name}={server[name]}" for name in names if server.get(name))
    (folder / "users.txt").write_text(f'"{user}" "{password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"""[databases]
* = {target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 2
max_client_conn = 500
server_reset_query = DISCARD ALL
server_reset_query_always = 1
"""
    )
    command = ["pgbouncer", "-q", str(folder / "pgbouncer.ini")]
    if os.geteuid() == 0:
        name = next(name for name in UNPRIVILEGED if _exists(name))
        shutil.chown(folder, name)
        for path in (folder / "users.txt", folder / "pgbouncer.ini"):
            shutil.chown(path, name)
        command[1:1] = ["-u", name]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    url = urlsplit(services.DATABASE_URL)._replace(
        netloc=f"{user}:{password}@127.0.0.1:{port}" if password else f"{user}@127.0.0.1:{port}",
        path=f"/{database}",
    )
    try:
        wait_for(lambda: _answers(url.geturl()), "pgbouncer to start", 10)
        yield url.geturl()
    finally:
        process.terminate()
        process.wait()


def _exists(name: str) -> bool:
    return subprocess.run(["id", name], capture_output=True, check=False).returncode == 0


def _answers(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


def main(arguments: list[str]) -> int:
    """Run the tests through a pooler and return their exit status."""
    if why := missing():
        print(f"pgbouncer: {why}")
        return 1
    name = f"clfsite_pooled_{uuid.uuid4().hex[:8]}"
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)  # noqa: S103  pgbouncer runs as another user
    server = psycopg2.connect(services.DATABASE_URL)
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    command = [sys.executable, "-m", "pytest", *SIDE_BY_SIDE, "-m", "database and not fault"]
    command += ["--create-db", "--reuse-db"]
    try:
        with transactions(Path(folder), name) as url:
            return subprocess.call([*command, *arguments], env={**os.environ, "DATABASE_URL": url})
    finally:
        with server.cursor() as cursor:
            # pytest leaves those of its processes, which it could not drop while the pooler held connections
            cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"%{name}%"])
            for (database,) in cursor.fetchall():
                cursor.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
        server.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
