"""What the database cannot do for any request is told apart from what is wrong with the rows of one."""

import pytest
from django.db import DatabaseError, connection, transaction

from clfsite.core.storage import database
from predictions.models import Prediction
from predictions.serving import health

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]


TABLE = Prediction._meta.db_table


def error_of(*statements: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        _execute(*statements)
    return caught.value


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a_missing_table_is_an_outage() -> None:
    reason = database.outage(error_of("SELECT * FROM no_such_table"))
    assert reason == (
        "a table is missing in the database; run manage.py migrate" if _is_postgresql() else database.AWAY
    )


def test_rows_that_the_database_refuses_are_no_outage() -> None:
    error = error_of("INSERT INTO predictions_prediction (id, row) VALUES (NULL, NULL)")
    assert database.outage(error) == ""


def test_a_server_that_only_allows_reading_or_a_role_without_rights_is_an_outage() -> None:
    if not _is_postgresql():
        pytest.skip("SQLite has neither")
    refused = error_of("SET TRANSACTION READ ONLY", "CREATE TABLE nothing_of_tests (id int)")
    assert database.outage(refused) == database.READ_ONLY
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE reader_of_tests NOLOGIN")
    refused = error_of("SET LOCAL ROLE reader_of_tests", f"LOCK TABLE {TABLE}")
    assert "may not do this" in database.outage(refused)


def test_a_server_that_only_allows_reading_is_not_ready() -> None:
    if not _is_postgresql():
        pytest.skip("SQLite has no such servers")
    assert health.check()["database"] in {"ok", *_unsafe()}
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    assert health.check()["database"] == database.READ_ONLY


def _is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def _unsafe() -> set[str]:
    return {database.unsafe_settings()}
