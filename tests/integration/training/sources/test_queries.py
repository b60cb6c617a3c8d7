"""Datasets from a database: PostgreSQL and SQLite are only read, within limits, and no credentials are told."""

import contextlib
import json
import logging
import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import dj_database_url
import psycopg2
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from clfsite.core.errors import InvalidInput
from clfsite.core.storage import files
from clfsite.core.storage.data_sources import DataSource
from tests.support import pooler, services
from tests.support.databases import (
    COUNT,
    postgresql_database,
    postgresql_source,
    refusing_server,
    sqlite_source,
)
from tests.support.factories import UserFactory
from training.datasets.changes import compare_datasets
from training.models import Dataset
from training.sources.limits import QueryRefused
from training.sources.service import import_again, import_query

pytestmark = pytest.mark.django_db

ORDERS = "SELECT id, amount, code, placed, express, late FROM orders ORDER BY id"
PASSWORD = "hunter2 of the shop"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    if "postgresql" in services.missing():
        pytest.skip(f"postgresql: {services.missing()['postgresql']}")
    with postgresql_database() as name:
        yield name


@pytest.fixture(params=["postgresql", "sqlite"])
def source(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings) -> DataSource:
    """The database `shop` of each kind."""
    if request.param == "postgresql":
        source = postgresql_source(request.getfixturevalue("database"), PASSWORD=PASSWORD)
    else:
        source = sqlite_source(tmp_path / "shop.db")
    settings.CLFSITE_SOURCES = {"shop": source}
    return source


@pytest.fixture
def postgresql(database: str, settings: Settings) -> str:
    settings.CLFSITE_SOURCES = {"shop": postgresql_source(database, PASSWORD=PASSWORD)}
    return database


def ask(sql: str = ORDERS, **values: Any) -> Dataset:
    return import_query(**{"source": "shop", "sql": sql, "name": "orders", "target": "late", **values})


def refusal(sql: str, field: str = "sql") -> str:
    with pytest.raises(QueryRefused) as caught:
        ask(sql)
    assert not Dataset.objects.exists()
    assert caught.value.field == field
    return str(caught.value)


def content(dataset: Dataset) -> list[str]:
    with files.datasets().open(dataset.file_name) as file:
        return list(file.read().decode().splitlines())


def execute(source: DataSource, sql: str) -> None:
    """Change the database past the site."""
    if source.kind == "sqlite":
        with closing(sqlite3.connect(source.config["NAME"])) as connection, connection:
            connection.execute(sql)
        return
    with closing(psycopg2.connect(**services.postgresql_settings(source.config["NAME"]))) as connection:
        connection.cursor().execute(sql)
        connection.commit()


# ---- values


def test_rows_become_a_dataset_with_their_origin(source: DataSource) -> None:
    user = UserFactory.create()
    dataset = ask(ORDERS + ";", user=user)
    truths = ["true", "false"] if source.kind == "postgresql" else ["1", "0"]
    assert content(dataset)[:5] == [
        "id,amount,code,placed,express,late",
        f"0,0.25,A0,2026-01-01,{truths[0]},no",
        f"1,1.25,A1,2026-01-02,{truths[1]},yes",
        f"2,2.25,A2,2026-01-03,{truths[0]},yes",
        f"3,,A0,2026-01-04,{truths[1]},no",
    ]
    assert (dataset.rows, dataset.created_by) == (COUNT, user)
    dataset.refresh_from_db()
    assert (dataset.origin["source"], dataset.origin["sql"]) == ("shop", ORDERS + ";")
    assert dataset.origin["at"].endswith("Z")
    kinds = {feature.name: feature.kind for feature in dataset.contract.features}
    assert (kinds["amount"], kinds["code"], kinds["placed"]) == ("number", "category", "date")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("1.50::numeric", "1.5"),
        ("'NaN'::float8", ""),
        ("1e20::float8", "1e+20"),
        ("0.1::float4", "0.1"),
        ("'a,b'::text", '"a,b"'),
        ("E'two\\nlines'::text", '"two\nlines"'),
        ("'x'::char(5)", "x"),
        ("timestamp '2026-01-02 03:04:05.5'", "2026-01-02T03:04:05.500000"),
        ("timestamptz '2026-01-02 03:04:05+02'", "2026-01-02T01:04:05"),
        ("timestamptz '2026-01-02 00:00:00+00'", "2026-01-02"),
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("interval '1 day 2 hours'", "1 day 02:00:00"),
        ("true", "true"),
        ("12345678901234567890::numeric", "12345678901234567890"),
        ("NULL::integer", ""),
        ("''::text", ""),
        ("'Grüße'::text", "Grüße"),
    ],
)
def test_values_of_postgresql_are_written_as_tables_write_them(
    postgresql: str, sql: str, expected: str
) -> None:
    dataset = ask(f"SELECT {sql} AS value, id % 7 AS n, late FROM orders ORDER BY id")  # noqa: S608
    with files.datasets().open(dataset.file_name) as file:
        lines = file.read().decode().removeprefix("value,n,late\n")
    assert lines.startswith(f"{expected},0,no\n{expected},1,yes\n")


def test_numbers_of_a_database_have_a_decimal_point_whatever_its_texts_look_like(postgresql: str) -> None:
    sql = "SELECT id % 7 + 0.125 AS amount, id % 5 || ',5' AS size, late FROM orders ORDER BY id"
    with pytest.raises(
        InvalidInput, match='column "size": expected a number like the other values, got "0,5"'
    ):
        ask(sql)
    assert content(ask(sql, categories=["size"]))[2] == '1.125,"1,5",yes'


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("'x'::bytea", "bytea"),
        ("ARRAY[1, 2]", "integer[]"),
        ("""'{"a": 1}'::jsonb""", "jsonb"),
        ("""'{"a": 1}'::json""", "json"),
        ("ROW(1, 2)", "record"),
        ("int4range(1, 2)", "int4range"),
        ("point(1, 2)", "point"),
        ("'<a/>'::xml", "xml"),
    ],
)
def test_nested_values_of_postgresql_are_refused_by_column_and_type(
    postgresql: str, sql: str, kind: str
) -> None:
    message = refusal(f"SELECT {sql} AS payload, late FROM orders")  # noqa: S608
    assert f'the column "payload" holds values of the type {kind}' in message


def test_values_that_no_table_has_are_refused_by_column(
    postgresql: str, settings: Settings, tmp_path: Path
) -> None:
    assert 'the column "x" holds Infinity' in refusal("SELECT 'Infinity'::float8 AS x, late FROM orders")
    settings.CLFSITE_SOURCES = {"shop": sqlite_source(tmp_path / "shop.db")}
    assert 'the column "x" holds bytes' in refusal("SELECT x'00' AS x, late FROM orders")


def test_columns_must_have_different_names_and_contain_the_target(source: DataSource) -> None:
    assert 'several columns named "id"' in refusal("SELECT id, id, late FROM orders")
    message = refusal("SELECT id, code FROM orders", field="target")
    assert message == 'the query returns no column "late" to predict; it returns id, code'
    assert refusal("SELECT id, late FROM orders WHERE id < 0") == "the query returns no rows"


# ---- only reading


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT id, late FROM orders; DELETE FROM orders", "expected one SELECT statement, got several"),
        ("SELECT id, late FROM orders; COMMIT; BEGIN READ WRITE; DELETE FROM orders", "got several"),
        ("SELECT ';' || id, late FROM orders /* ; */; -- ;\n DELETE FROM orders", "got several"),
        ("DELETE FROM orders", 'begins with "DELETE"'),
    ],
)
def test_several_statements_and_changes_are_refused(source: DataSource, sql: str, message: str) -> None:
    assert message in refusal(sql)
    assert ask().rows == COUNT


@pytest.mark.parametrize(
    "sql",
    [
        "WITH gone AS (DELETE FROM orders RETURNING id, late) SELECT * FROM gone",
        "WITH new AS (INSERT INTO orders (id, late) VALUES (99, 'no') RETURNING id, late) SELECT * FROM new",
        "SELECT nextval('numbers') AS id, late FROM orders",
        "SELECT id, late FROM orders FOR UPDATE",
        "SELECT set_config('transaction_read_only', 'off', false) AS id, late FROM orders",
        "SELECT id, late INTO copied FROM orders",
    ],
)
def test_postgresql_changes_nothing(postgresql: str, sql: str) -> None:
    refusal(sql)
    assert ask().rows == COUNT


def test_what_read_only_does_not_cover_is_rolled_back(postgresql: str) -> None:
    with contextlib.suppress(QueryRefused):  # since PostgreSQL 16
        ask("SELECT amount, lo_create(0) > 0 AS made, late FROM orders")
    with closing(psycopg2.connect(**services.postgresql_settings(postgresql))) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM pg_largeobject_metadata")
        assert cursor.fetchone() == (0,)


def test_session_of_postgresql_only_reads_by_default(postgresql: str) -> None:
    dataset = ask(
        "SELECT amount, current_setting('default_transaction_read_only') AS d, "
        "current_setting('transaction_read_only') AS t, late FROM orders ORDER BY id"
    )
    assert content(dataset)[1] == "0.25,on,on,no"


def test_pooler_that_knows_no_settings_of_a_session_is_read_in_a_transaction(
    database: str, settings: Settings, tmp_path: Path
) -> None:
    if why := pooler.missing():
        pytest.skip(why)
    with pooler.transactions(tmp_path, database) as url:
        settings.CLFSITE_SOURCES = {"shop": DataSource("shop", "postgresql", {**dj_database_url.parse(url)})}
        assert ask().rows == COUNT
        with pytest.raises(QueryRefused, match="the query would change the database"):
            ask("WITH gone AS (DELETE FROM orders RETURNING id, late) SELECT * FROM gone")


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (SELECT 1) INSERT INTO orders SELECT 1, 1, '', '', 1, 'no' FROM a",
        "WITH a AS (SELECT 1) DELETE FROM orders",
    ],
)
def test_sqlite_changes_nothing(settings: Settings, tmp_path: Path, sql: str) -> None:
    settings.CLFSITE_SOURCES = {"shop": sqlite_source(tmp_path / "shop.db")}
    assert "the query would change the database" in refusal(sql)
    assert ask().rows == COUNT


def test_file_that_is_absent_is_not_created(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "absent.db"
    for content_of in (None, b"no database, but a file of some length" * 40):
        if content_of:
            path.write_bytes(content_of)
        settings.CLFSITE_SOURCES = {"shop": DataSource("shop", "sqlite", {"NAME": str(path)})}
        message = refusal(ORDERS, field="source")
        assert (
            message
            == "the database shop cannot be opened; the site's operator sets it in CLFSITE_SOURCE_SHOP"
        )
        assert path.exists() == bool(content_of)


# ---- limits

ENDLESS = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT max(id) AS id, 'x' AS late FROM n"


def test_query_that_takes_too_long_is_ended(source: DataSource, settings: Settings) -> None:
    settings.CLFSITE_SOURCE_SECONDS = 1
    assert "the query took longer than 1 seconds (CLFSITE_SOURCE_SECONDS)" in refusal(ENDLESS)


def test_query_cannot_lift_its_time_limit(postgresql: str, settings: Settings) -> None:
    settings.CLFSITE_SOURCE_SECONDS = 1
    sql = (
        "SELECT set_config('statement_timeout', '0', true) AS a, pg_sleep(0.2)::text AS b, late "
        "FROM orders, generate_series(1, 1000)"
    )
    assert "took longer than 1 seconds" in refusal(sql)


def test_server_that_freezes_does_not_hold_the_request(
    postgresql: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLFSITE_SOURCE_SECONDS = 1
    monkeypatch.setattr("training.sources.postgresql.GRACE", 0.2)
    # a limit that the server does not keep
    monkeypatch.setattr("training.sources.postgresql._limit", lambda cursor, deadline: None)
    assert "took longer than 1 seconds" in refusal("SELECT pg_sleep(30)::text AS a, 'x' AS late")


def test_more_rows_than_allowed_are_refused_without_reading_them_all(
    source: DataSource, settings: Settings
) -> None:
    settings.CLFSITE_SOURCE_ROWS = COUNT
    assert ask().rows == COUNT
    settings.CLFSITE_SOURCE_ROWS = COUNT - 1
    with pytest.raises(QueryRefused, match=r"more than 59 rows \(CLFSITE_SOURCE_ROWS\)"):
        ask(name="other")
    settings.CLFSITE_SOURCE_SECONDS = 20
    endless = ENDLESS.replace("max(id) AS id", "id")
    with pytest.raises(QueryRefused, match="more than 59 rows"):
        ask(endless, name="other")


def test_more_bytes_than_allowed_are_refused(source: DataSource, settings: Settings) -> None:
    settings.CLFSITE_UPLOAD_BYTES = 500
    assert "more than 500 bytes as CSV (CLFSITE_UPLOAD_BYTES)" in refusal(ORDERS)


# ---- errors and credentials


def test_error_of_the_database_is_told_with_its_line(source: DataSource) -> None:
    message = refusal("SELECT id,\n  lat\nFROM orders")
    assert "the database refuses the query: " in message
    assert "lat" in message
    assert source.kind == "sqlite" or "on line 2" in message


def nothing_leaks(error: BaseException, caplog: pytest.LogCaptureFixture, *secrets: str) -> None:
    told = "".join(traceback.format_exception(error)).partition("Traceback")[0] + str(error) + repr(error)
    told += "".join(traceback.format_exception_only(error)) + caplog.text
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    for secret in secrets:
        assert secret not in told


@pytest.mark.parametrize("password", ["hunter2hunter2", "p@ss:w/rd hunter2"])
def test_wrong_password_is_told_without_credentials(
    settings: Settings, caplog: pytest.LogCaptureFixture, password: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with refusing_server() as port:
        config = {
            "HOST": "127.0.0.1",
            "PORT": port,
            "USER": "ada-reads",
            "PASSWORD": password,
            "NAME": "orders",
        }
        settings.CLFSITE_SOURCES = {
            "shop": DataSource("shop", "postgresql", {**config, "OPTIONS": {"sslmode": "disable"}})
        }
        with pytest.raises(QueryRefused) as caught:
            ask()
    assert str(caught.value) == (
        "the database shop refuses the login; the site's operator sets it in CLFSITE_SOURCE_SHOP"
    )
    nothing_leaks(caught.value, caplog, password, "ada-reads", "hunter2")


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"HOST": "hunter2.invalid"}, "does not answer"),
        ({"HOST": "127.0.0.1", "PORT": 1}, "does not answer"),
        ({"NAME": "hunter2"}, "does not exist"),
        ({"USER": "hunter2"}, "refuses the login"),
        ({"OPTIONS": {"hunter2": "x"}}, "has a URL that the driver does not accept"),
        ({"OPTIONS": {"sslmode": "hunter2"}}, "has a URL that the driver does not accept"),
    ],
    ids=["host", "port", "database", "user", "option", "value of an option"],
)
def test_database_that_cannot_be_reached_is_told_without_its_url(
    database: str, settings: Settings, caplog: pytest.LogCaptureFixture, config: dict[str, Any], what: str
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.CLFSITE_SOURCES = {"shop": postgresql_source(database, **{"PASSWORD": "hunter2", **config})}
    with pytest.raises(QueryRefused) as caught:
        ask()
    assert caught.value.field == "source"
    assert f"the database shop {what}" in str(caught.value)
    nothing_leaks(caught.value, caplog, "hunter2", database)


def test_server_that_repeats_a_password_does_not_tell_it(postgresql: str) -> None:
    message = refusal(f"""SELECT "{PASSWORD}", late FROM orders""")  # noqa: S608
    assert 'column "***" does not exist' in message


def test_connection_that_is_lost_is_told_as_one(
    postgresql: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(QueryRefused) as caught:
        ask("SELECT pg_terminate_backend(pg_backend_pid())::text AS a, late FROM orders")
    assert "the connection to the database shop was lost" in str(caught.value) or "terminat" in str(
        caught.value
    )
    nothing_leaks(caught.value, caplog, PASSWORD)


def test_nothing_listens_after_a_query(source: DataSource) -> None:
    """The watchdog of a connection and its socket end with the query."""
    import threading

    ask()
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    if source.kind == "postgresql":
        with closing(psycopg2.connect(**services.postgresql_settings("postgres"))) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [source.config["NAME"]]
            )
            assert cursor.fetchone()[0] <= 1


# ---- again


def test_query_that_is_executed_again_is_the_next_version_if_rows_changed(source: DataSource) -> None:
    first = ask(categories=["code"])
    assert import_again(first) == first
    execute(source, "UPDATE orders SET amount = amount + 50 WHERE id >= 50")
    user = UserFactory.create()
    second = import_again(first, user)
    execute(source, "UPDATE orders SET amount = amount - 50 WHERE id >= 50")
    assert (second.number, second.rows, second.created_by) == (2, COUNT, user)
    assert {**second.origin, "at": ""} == {**first.origin, "at": ""}
    assert second.origin["categories"] == ["code"]
    changes = compare_datasets(first, second)
    assert (changes.rows_added, changes.rows_removed) == (9, 9)


def test_file_cannot_be_queried_again() -> None:
    with pytest.raises(InvalidInput, match="does not come from a database"):
        import_again(Dataset(name="orders", origin={}))


# ---- the terminal


def run(*options: str) -> str:
    out = StringIO()
    call_command("importdataset", *options, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_terminal_stores_a_query_and_prints_what_changed(settings: Settings, tmp_path: Path) -> None:
    source = sqlite_source(tmp_path / "shop.db")
    settings.CLFSITE_SOURCES = {"shop": source}
    command = ("--sql", ORDERS, "--from", "shop", "--name", "orders", "--target", "late")
    assert "orders v1 is stored" in run(*command)
    assert "already has this table; nothing was added" in run(*command)
    execute(source, "DELETE FROM orders WHERE id < 5")
    result = json.loads(run(*command, "--json"))
    assert (result["number"], result["new"], result["origin"]["source"]) == (2, True, "shop")
    assert (result["changes"]["rows_added"], result["changes"]["rows_removed"]) == (0, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "expected a file, or --sql, --from and --name"),
        (("a.csv", "--sql", "SELECT 1"), "a file and --sql or --from were given"),
        (("--sql", "SELECT 1"), "also requires --from and --name"),
        (("--sql", "SELECT 1", "--from", "shop", "--name", "a", "--sheet", "1"), "--sheet is about files"),
        (("--sql", "SELECT 1", "--from", "shop", "--name", "a"), 'there is no database "shop"'),
    ],
)
def test_terminal_names_what_is_missing(options: tuple[str, ...], message: str, settings: Settings) -> None:
    settings.CLFSITE_SOURCES = {}
    with pytest.raises(CommandError, match=message):
        run(*options, "--target", "late")
