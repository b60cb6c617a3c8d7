"""Datasets from a database: the rows of one query, read only and within limits, become the next version."""

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from clfsite.core.errors import InvalidInput
from clfsite.core.storage import files
from clfsite.core.storage.data_sources import DataSource
from training.datasets.service import import_dataset
from training.ml.files.options import AUTOMATIC, Options
from training.ml.tables.quoting import quote
from training.models import Dataset
from training.names import check_name
from training.sources import postgresql, sqlite
from training.sources.limits import Deadline, QueryRefused

# characters of a query
LONGEST_QUERY = 20_000
SHOWN_COLUMNS = 20  # columns in an error message
_FIRST_WORD = re.compile(r"(?>\s|--[^\n]*|(?>/\*.*?\*/)|\()*+(\w*)", re.DOTALL)
_SELECT = {"postgresql": postgresql.select, "sqlite": sqlite.select}


def source_names() -> list[str]:
    """Return the names of the databases that the environment lists."""
    return sorted(settings.CLFSITE_SOURCES)


def import_query(
    *,
    source: str,
    sql: str,
    name: str,
    target: str,
    categories: Collection[str] = (),
    options: Options = AUTOMATIC,
    user: User | None = None,
) -> Dataset:
    """Store the rows of a query as the next dataset of this name, or return the existing one with the same rows.

    Args:
        source: the name of a database, see `source_names`.
        sql: one SELECT statement, with or without WITH.
        categories, options: as for `import_dataset`; about missing values, values to keep and dates.

    Raises:
        QueryRefused: the query cannot be executed, or has no usable result; it names the part to correct.
        InvalidInput, Unavailable: see `import_dataset`.
    """
    try:
        check_name(name, "dataset")
    except InvalidInput as error:
        raise QueryRefused("name", str(error)) from error
    sql = sql.replace("\r\n", "\n").strip()
    _check(sql)
    known = _find(source)
    asked = timezone.now()
    with files.scratch() as folder:
        path = folder / "rows.csv"
        _write(known, sql, target, path)
        with path.open("rb") as file:
            return import_dataset(
                name=name,
                target=target,
                source=file,
                categories=categories,
                # what the database wrote is not to be recognised
                options=replace(options, delimiter=",", encoding="utf-8", decimal="."),
                user=user,
                origin={
                    "source": known.name,
                    "sql": sql,
                    "at": asked.isoformat(timespec="seconds").replace("+00:00", "Z"),
                    **({"categories": list(categories)} if categories else {}),
                },
            )


def import_again(dataset: Dataset, user: User | None = None) -> Dataset:
    """Execute the query of a dataset again, and store its rows as the next version if they have changed.

    Raises:
        InvalidInput: it does not come from a database. Others: see `import_query`.
    """
    origin = dataset.origin
    if "sql" not in origin:
        raise InvalidInput(f"{dataset} does not come from a database")
    return import_query(
        source=origin["source"],
        sql=origin["sql"],
        name=dataset.name,
        target=dataset.target,
        categories=origin.get("categories", ()),
        options=Options.from_dict(dataset.reading["options"]),
        user=user,
    )


def _check(sql: str) -> None:
    """Raise QueryRefused for what is no query; the database itself refuses several statements and changes."""
    if not sql:
        raise QueryRefused("sql", "expected a SELECT statement, got none")
    if len(sql) > LONGEST_QUERY:
        raise QueryRefused(
            "sql", f"the query has {len(sql):,} characters; at most {LONGEST_QUERY:,} are allowed"
        )
    if "\x00" in sql or (not sql.isascii() and _is_broken(sql)):
        raise QueryRefused("sql", "the query holds a character that no database can read")
    match = _FIRST_WORD.match(sql)
    word = match[1] if match else ""
    if word.lower() not in {"select", "with"}:
        raise QueryRefused("sql", f"expected one SELECT statement, got one that begins with {quote(word)}")


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _find(name: str) -> DataSource:
    known: dict[str, DataSource] = settings.CLFSITE_SOURCES
    if found := known.get(name.lower()):
        return found
    listed = f"known: {', '.join(source_names())}" if known else "none is set"
    raise QueryRefused(
        "source",
        f"there is no database {quote(name)}; {listed}. The site's operator sets one in CLFSITE_SOURCE_<NAME>",
    )


def _write(source: DataSource, sql: str, target: str, path: Path) -> None:
    """Write the rows of a query as CSV: missing values empty, dates in ISO 8601, true and false."""
    deadline = Deadline(settings.CLFSITE_SOURCE_SECONDS)
    with (
        _SELECT[source.kind](source, sql, deadline) as (names, blocks),
        path.open("w", encoding="utf-8", newline="") as file,
    ):
        _check_columns(names, target)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for block in _limited(blocks, deadline):
            try:
                writer.writerows(block)
            except UnicodeEncodeError:
                raise QueryRefused("sql", "the query returns a text that is not Unicode") from None
            if file.tell() > settings.CLFSITE_UPLOAD_BYTES:
                raise QueryRefused(
                    "sql",
                    f"the rows have more than {settings.CLFSITE_UPLOAD_BYTES:,} bytes as CSV (CLFSITE_UPLOAD_BYTES); "
                    "select fewer rows or columns",
                )


def _check_columns(names: list[str], target: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise QueryRefused(
            "sql", f"the query returns several columns named {quote(twice)}; rename all but one with AS"
        )
    if target not in names:
        listed = ", ".join(names[:SHOWN_COLUMNS]) + (", ..." if len(names) > SHOWN_COLUMNS else "")
        raise QueryRefused(
            "target", f"the query returns no column {quote(target)} to predict; it returns {listed}"
        )


def _limited(blocks: Iterator[Any], deadline: Deadline) -> Iterator[Any]:
    """Yield the blocks of rows, as long as they are within the limits."""
    limit, count = settings.CLFSITE_SOURCE_ROWS, 0
    for block in blocks:
        count += len(block)
        if count > limit:
            raise QueryRefused(
                "sql",
                f"the query returns more than {limit:,} rows (CLFSITE_SOURCE_ROWS); select fewer, such as with WHERE or "
                "LIMIT, or ask the site's operator to raise the limit",
            )
        if deadline.is_over:
            raise deadline.refusal()
        yield block
    if not count:
        raise QueryRefused("sql", "the query returns no rows")
