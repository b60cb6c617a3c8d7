"""One query to a PostgreSQL database, in a transaction that only reads."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import errorcodes
from psycopg2.extensions import UNICODE, new_type, register_type

from clfsite.core.storage.data_sources import DataSource
from clfsite.core.storage.database import OPTIONS
from training.sources.limits import SEVERAL, Deadline, QueryRefused, no_plain_value

# cells that are fetched together
CELLS = 100_000
# seconds after the deadline, at which the connection is cut if the server does not answer
GRACE = 5.0
READ_ONLY = "-c default_transaction_read_only=on"
# PL/pgSQL opens a cursor for exactly one statement, so the server refuses several, whatever quotes or comments hide them
OPEN = """
DO $open$ DECLARE opened refcursor := 'clfsite_rows';
BEGIN OPEN opened NO SCROLL FOR EXECUTE current_setting('clfsite.query'); END $open$
"""
# how values are written, and in which the reader reads them
WRITING = {
    "datestyle": "ISO",
    "timezone": "UTC",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
}
# categories of pg_type whose values are plain: boolean, date, enum, network, number, text, span of time, bits
PLAIN = frozenset("BDEINSTV")
_OF_USERS = frozenset(["uuid"])
_NO_NUMBERS = {"Infinity", "-Infinity"}
_REFUSED_LOGIN = ("authentication", "no password supplied", "pg_hba", "role ", "certificate")

Converter = Callable[[str], str]


@contextmanager
def select(
    source: DataSource, sql: str, deadline: Deadline
) -> Iterator[tuple[list[str], Iterator[Sequence[Sequence[Any]]]]]:
    """Execute a query; yield the names of the columns, and the rows in blocks.

    Rows come from a cursor of the server, so only one block is in memory. Values are texts as they stand in a table:
    numbers in their shortest form, dates in ISO 8601 and in UTC, true and false.

    Raises:
        QueryRefused: the database cannot be reached, or refuses the query.
    """
    connection = _connect(source)
    watchdog = threading.Timer(deadline.left + GRACE, _cut, [connection])
    watchdog.daemon = True
    watchdog.start()
    try:
        with _refusals(source, sql, deadline), connection.cursor() as cursor:
            names, converters = _open(cursor, sql, deadline)
            yield names, _blocks(cursor, names, converters, deadline)
    finally:
        watchdog.cancel()
        with contextlib.suppress(psycopg2.Error):
            connection.close()


def _connect(source: DataSource) -> Any:
    config = source.config
    options = {**OPTIONS, **config.get("OPTIONS", {})}
    given = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    arguments = {name: config[key] for name, key in given.items() if config.get(key)}
    arguments |= {**options, "client_encoding": "UTF8"}
    try:
        try:
            return _session({**arguments, "options": f"{options.get('options', '')} {READ_ONLY}".strip()})
        except psycopg2.OperationalError as error:
            # poolers do not pass on settings of a session
            if "unsupported startup parameter" not in str(error):
                raise
            return _session(arguments)
    except psycopg2.Error as error:
        # the driver's message may hold parts of the URL
        raise _unconnected(str(error).lower(), source) from None


def _unconnected(message: str, source: DataSource) -> QueryRefused:
    if any(words in message for words in _REFUSED_LOGIN):
        what = "refuses the login"
    elif "database " in message and "does not exist" in message:
        what = "does not exist"
    elif message.startswith("invalid") or "connection option" in message:
        what = "has a URL that the driver does not accept"
    else:
        what = "does not answer"
    return QueryRefused(
        "source", f"the database {source.name} {what}; the site's operator sets it in {source.variable}"
    )


def _session(arguments: dict[str, Any]) -> Any:
    connection = psycopg2.connect(**arguments)
    connection.set_session(readonly=True)
    return connection


def _cut(connection: Any) -> None:
    """Close the socket of a connection whose server does not answer, because libpq would wait forever."""
    with (
        contextlib.suppress(OSError, psycopg2.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as duplicate,
    ):
        duplicate.shutdown(socket.SHUT_RDWR)


def _open(cursor: Any, sql: str, deadline: Deadline) -> tuple[list[str], list[Converter | None]]:
    """Open the cursor of a query; return the names of its columns and how their values are converted."""
    cursor.execute("SET TRANSACTION READ ONLY")
    _limit(cursor, deadline)
    for name, value in {**WRITING, "clfsite.query": sql}.items():
        cursor.execute("SELECT set_config(%s, %s, true)", (name, value))
    cursor.execute(OPEN)
    cursor.execute("FETCH FORWARD 0 FROM clfsite_rows")
    columns = cursor.description or []
    if not columns:
        raise QueryRefused("sql", "the query returns no columns")
    types = sorted({column.type_code for column in columns})
    cursor.execute(
        "SELECT oid, typname, format_type(oid, NULL), typcategory FROM pg_type WHERE oid = ANY(%s)", (types,)
    )
    known = {oid: (name, title, category) for oid, name, title, category in cursor}
    converters = []
    for column in columns:
        name, title, category = known.get(column.type_code, ("", "values of an unknown type", "U"))
        if category not in PLAIN and name not in _OF_USERS:
            raise no_plain_value(
                column.name, f"values of the type {title}", "select a part of it, or cast it to text"
            )
        converters.append(_converter(column.name, name))
    register_type(new_type(tuple(types), "TEXT", UNICODE), cursor)
    return [column.name for column in columns], converters


def _limit(cursor: Any, deadline: Deadline) -> None:
    """Limit the next statement to the time that is left."""
    if deadline.is_over:
        raise deadline.refusal()
    cursor.execute("SELECT set_config('statement_timeout', %s, true)", (str(int(deadline.left * 1000) + 1),))


def _blocks(
    cursor: Any, names: Sequence[str], converters: Sequence[Converter | None], deadline: Deadline
) -> Iterator[Sequence[Sequence[Any]]]:
    count = max(1, CELLS // len(names))
    while True:
        # each time, because the query itself can change the setting
        _limit(cursor, deadline)
        cursor.execute(f"FETCH FORWARD {count} FROM clfsite_rows")
        rows = cursor.fetchall()
        if not rows:
            return
        columns = [
            cells if convert is None else [None if cell is None else convert(cell) for cell in cells]
            for cells, convert in zip(zip(*rows, strict=True), converters, strict=True)
        ]
        yield list(zip(*columns, strict=True))


def _converter(column: str, kind: str) -> Converter | None:
    """Return what makes the server's text of a value that of a table; None if it is that already."""
    if kind == "bool":
        return lambda text: "true" if text == "t" else "false"
    if kind in {"timestamp", "timestamptz"}:
        return lambda text: text.removesuffix("+00").replace(" ", "T", 1)
    if kind == "bpchar":
        return lambda text: text.rstrip(" ")
    if kind in {"numeric", "float4", "float8"}:

        def finite(text: str) -> str:
            if text in _NO_NUMBERS:
                raise no_plain_value(column, text, "leave such rows out, or select NULL for them")
            return "" if text == "NaN" else text

        return finite
    return None


@contextmanager
def _refusals(source: DataSource, sql: str, deadline: Deadline) -> Iterator[None]:
    """Turn errors of the server into refusals that name no credentials."""
    try:
        yield
    except psycopg2.Error as error:
        raise _refusal(error, source, sql, deadline) from None
    except UnicodeDecodeError:
        raise QueryRefused(
            "sql", "the query returns a text that is not in the encoding of the database"
        ) from None


def _refusal(error: psycopg2.Error, source: DataSource, sql: str, deadline: Deadline) -> QueryRefused:
    code, diagnosis = error.pgcode, error.diag
    if code == errorcodes.QUERY_CANCELED or (code is None and deadline.is_over):
        return deadline.refusal()
    if code is None or not diagnosis.message_primary:
        return QueryRefused("source", f"the connection to the database {source.name} was lost; try again")
    if code == errorcodes.INVALID_CURSOR_DEFINITION:
        return QueryRefused("sql", SEVERAL)
    text = source.hide(str(diagnosis.message_primary))
    if code in {errorcodes.READ_ONLY_SQL_TRANSACTION, errorcodes.ACTIVE_SQL_TRANSACTION}:
        return QueryRefused(
            "sql", f"the query would change the database ({text}); expected one that only reads"
        )
    place = str(diagnosis.internal_position or "")
    line = f", on line {sql.count(chr(10), 0, int(place)) + 1}" if place.isdecimal() else ""
    hint = f"; {source.hide(str(diagnosis.message_hint))}" if diagnosis.message_hint else ""
    return QueryRefused("sql", f"the database refuses the query: {text}{line}{hint}")
