"""Databases that tests query: one of the test server, an SQLite file, and a server that refuses every login."""

import socket
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dj_database_url
import psycopg2

from clfsite.core.storage.data_sources import DataSource
from tests.support import services

# orders, of which some are late; a number, a code, a date, a truth value, and gaps
CREATE = (
    "CREATE TABLE orders (id integer, amount {number}, code text, placed {day}, express {truth}, late text)"
)
COUNT = 60


def rows(count: int = COUNT) -> list[tuple[Any, ...]]:
    """The rows of `orders`."""
    return [
        (
            number,
            None if number % 10 == 3 else number % 7 + 0.25,
            f"A{number % 3}",
            f"2026-01-{number % 28 + 1:02}",
            number % 2 == 0,
            "yes" if number % 3 else "no",
        )
        for number in range(count)
    ]


INSERT = "INSERT INTO orders VALUES ({0}, {0}, {0}, {0}, {0}, {0})"


def postgresql_source(database: str, name: str = "shop", **config: Any) -> DataSource:
    """A database of the test server, to query."""
    parsed = {**dj_database_url.parse(services.DATABASE_URL), "NAME": database}
    return DataSource(name, "postgresql", {**parsed, **config})


@contextmanager
def postgresql_database() -> Iterator[str]:
    """A new database of the test server with orders."""
    name = f"test_source_{uuid.uuid4().hex[:12]}"
    with closing(psycopg2.connect(services.DATABASE_URL)) as server:
        server.autocommit = True
        server.cursor().execute(f"CREATE DATABASE {name}")
        try:
            with closing(psycopg2.connect(**services.postgresql_settings(name))) as connection:
                with connection.cursor() as cursor:
                    cursor.execute(CREATE.format(number="numeric", day="date", truth="boolean"))
                    cursor.executemany(INSERT.format("%s"), rows())
                    cursor.execute("CREATE SEQUENCE numbers")
                connection.commit()
            yield name
        finally:
            server.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


def sqlite_source(path: Path, name: str = "shop") -> DataSource:
    """A new SQLite file with orders, to query."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(CREATE.format(number="real", day="text", truth="integer"))
        connection.executemany(INSERT.format("?"), rows())
        connection.commit()
    return DataSource(name, "sqlite", {"NAME": str(path)})


@contextmanager
def refusing_server() -> Iterator[int]:
    """The port of a PostgreSQL server that asks for a password, and repeats it in its refusal, as real ones may."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(4096)
                client.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x03")
                password = client.recv(4096)[5:].rstrip(b"\x00")
                text = b"SFATAL\x00C28P01\x00Mpassword authentication failed for " + password + b"\x00\x00"
                client.sendall(b"E" + (len(text) + 4).to_bytes(4, "big") + text)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener], daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
