"""PostgreSQL settings of the site: commits survive a crash, and no thread waits forever for a frozen server."""

import asyncio
import contextlib
import os
import socket
import threading
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import psycopg2
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
)

# an unreachable server is noticed within about a minute, also by an idle connection
OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# SQLSTATE of errors that are about the database and not about the rows, and what to tell
READ_ONLY = "the database only allows reading; it may be a standby after a failover"
_UNABLE = {
    "25006": READ_ONLY,
    "42501": "the role of DATABASE_URL may not do this in the database; check its rights",
    "42P01": "a table is missing in the database; run manage.py migrate",
    "42703": "a column is missing in the database; run manage.py migrate",
}
REPLICATED = {"on", "remote_apply", "remote_write"}

AWAY = "the database does not answer"

_open: "weakref.WeakSet[Connection]" = weakref.WeakSet()
# while the server does not answer, the only thread that may connect to check whether it is back
_prober: threading.Thread | None = None


class Connection(psycopg2.extensions.connection):  # type: ignore[misc]
    """A connection that another thread can cut; passed to psycopg2 as `connection_factory`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if _prober not in {None, threading.current_thread()}:
            raise psycopg2.OperationalError(
                "the database has not responded for several seconds; the next attempt is later"
            )
        super().__init__(*args, **kwargs)
        _open.add(self)


@cache
def dialect() -> Any:
    """A connection that is never opened, to ask for the features and the forms of values of the database.

    On an event loop Django makes a new connection object for each task that asks, which takes longer than to score a row.
    """
    return connections.create_connection(DEFAULT_DB_ALIAS)


def cut(prober: threading.Thread) -> None:
    """Stop all waiting queries of this process: running queries fail now, new ones at once until `restore`.

    A frozen server keeps its connections open, and libpq has no timeout for answers.
    """
    global _prober  # noqa: PLW0603  one state for each process
    _prober = prober
    for opened in list(_open):
        # the connection may have been closed in the meantime
        with (
            contextlib.suppress(OSError, psycopg2.Error),
            socket.socket(fileno=os.dup(opened.fileno())) as duplicate,
        ):
            duplicate.shutdown(socket.SHUT_RDWR)


def restore() -> None:
    """Allow all threads to connect again."""
    global _prober  # noqa: PLW0603
    _prober = None


def outage(error: BaseException | None) -> str:
    """Say why the database cannot serve any request now; "" for other errors, such as one about the rows.

    The thread's connection to a server that only allows reading is closed, so that the next one may reach the new primary.
    An event loop has no connection to close.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return AWAY
    if not isinstance(error, DatabaseError):
        return ""
    reason = _UNABLE.get(getattr(error.__cause__, "pgcode", None) or "", "")
    if reason == READ_ONLY and not _is_on_loop() and not connection.in_atomic_block:
        connection.close()
    return reason


def _is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def read_only() -> str:
    """Return why the database only allows reading, else ""; one query, or a look at SQLite's file.

    Raises:
        django.db.Error: the database does not answer.
    """
    if connection.vendor != "postgresql":
        return _unwritable_file()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only')")
        is_read_only = cursor.fetchone() == ("on",)
    if is_read_only and not connection.in_atomic_block:
        connection.close()
    return READ_ONLY if is_read_only else ""


def _unwritable_file() -> str:
    """The problem of SQLite's file, which needs a folder for its journal, or an empty string."""
    path = Path(str(connection.settings_dict["NAME"]))
    for place in (path, path.parent):
        if path.is_file() and not os.access(place, os.W_OK):
            return f"{place} cannot be written, so the database only allows reading"
    return ""


def unsafe_settings() -> str:
    """The settings with which PostgreSQL may lose confirmed commits, or an empty string; one query.

    Raises:
        django.db.Error: the database does not answer.
    """
    if connection.vendor != "postgresql":
        return ""
    names = ("fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(['current_setting(%s)'] * len(names))}", names)
        values = dict(zip(names, cursor.fetchone(), strict=True))
    # if a commit waits for other machines, as with Neon, the local disk may lag behind
    if values["synchronous_standby_names"] and values["synchronous_commit"] in REPLICATED:
        return ""
    unsafe = [name for name in names if values[name] == "off"]
    if not unsafe:
        return ""
    return (
        f"PostgreSQL runs with {' and '.join(f'{name}=off' for name in unsafe)}, so a crash loses "
        "acknowledged predictions; turn it on, or set CLFSITE_UNSAFE_DATABASE=true if the data may be lost"
    )
