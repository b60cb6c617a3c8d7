"""One query to an SQLite file, which is opened to read only."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from clfsite.core.storage.data_sources import DataSource
from training.sources.limits import SEVERAL, Deadline, QueryRefused, no_plain_value

# rows that are fetched together
AT_ONCE = 1_000
# steps of SQLite's virtual machine between two looks at the clock
STEPS = 20_000


@contextmanager
def select(
    source: DataSource, sql: str, deadline: Deadline
) -> Iterator[tuple[list[str], Iterator[Sequence[Sequence[Any]]]]]:
    """Execute a query; yield the names of the columns, and the rows in blocks.

    Raises:
        QueryRefused: the file cannot be read, or SQLite refuses the query.
    """
    with closing(_open(source, deadline)) as connection, _refusals(source, deadline):
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        yield names, _blocks(cursor, names)


def _open(source: DataSource, deadline: Deadline) -> sqlite3.Connection:
    address = f"{Path(source.config['NAME']).as_uri()}?mode=ro"
    try:
        connection = sqlite3.connect(address, uri=True, timeout=deadline.left, isolation_level=None)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.Error:
        raise QueryRefused(
            "source",
            f"the database {source.name} cannot be opened; the site's operator sets it in {source.variable}",
        ) from None
    connection.set_progress_handler(lambda: deadline.is_over, STEPS)
    return connection


def _blocks(cursor: sqlite3.Cursor, names: Sequence[str]) -> Iterator[Sequence[Sequence[Any]]]:
    while rows := cursor.fetchmany(AT_ONCE):
        for row in rows:
            for name, value in zip(names, row, strict=True):
                if type(value) is bytes:
                    raise no_plain_value(name, "bytes", "select something else of it, such as its length")
        yield rows


@contextmanager
def _refusals(source: DataSource, deadline: Deadline) -> Iterator[None]:
    """Turn errors of SQLite into refusals."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise _refusal(error, source, deadline) from None


def _refusal(error: Exception, source: DataSource, deadline: Deadline) -> QueryRefused:
    text = str(error)
    if "one statement at a time" in text:
        return QueryRefused("sql", SEVERAL)
    if text == "interrupted" or ("locked" in text and deadline.is_over):
        return deadline.refusal()
    if "readonly" in text:
        return QueryRefused(
            "sql", f"the query would change the database ({text}); expected one that only reads"
        )
    if text.startswith("Could not decode"):
        return QueryRefused("sql", "the query returns a text that is not UTF-8")
    return QueryRefused("sql", f"the database refuses the query: {source.hide(text)}")
