"""The database changed under traffic, as an upgrade does before the new code is started."""

import time
from contextlib import closing

import psycopg2
import pytest

from tests.functional.faults.conftest import database_of, example_of, kept
from tests.functional.faults.ledger import Ledger, count
from tests.functional.faults.load import Load
from tests.support.site import Site

pytestmark = [pytest.mark.site, pytest.mark.fault, pytest.mark.promise(1)]

# what migrations of releases do to the busiest tables: each takes the lock that no other statement may share
STATEMENTS = (
    "ALTER TABLE predictions_prediction ADD COLUMN remark text NULL",
    "ALTER TABLE predictions_hourlycount ADD COLUMN remark integer NOT NULL DEFAULT 0",
    "CREATE INDEX remark_index ON predictions_prediction (remark, id)",
    "DROP INDEX remark_index",
    "ALTER TABLE predictions_hourlycount DROP COLUMN remark",
    "ALTER TABLE predictions_prediction DROP COLUMN remark",
)


@pytest.mark.case("F26")
def test_migrations_under_traffic_fail_no_call(site: Site, ledger: Ledger) -> None:
    before = count(database_of(site))
    with Load(site.port, example_of(site), ledger, callers=4) as load:
        load.wait_for_answers(20)
        assert "No migrations to apply" in site.manage("migrate", "--noinput")
        with closing(psycopg2.connect(database_of(site))) as server:
            server.autocommit = True
            with server.cursor() as cursor:
                for statement in STATEMENTS:
                    cursor.execute(statement)
                    began = time.monotonic()
                    load.wait_for_answers(10)
                    assert not load.refused(), (statement, load.refused()[:3])
                    assert time.monotonic() - began < 5, statement
    kept(ledger, site, before)
