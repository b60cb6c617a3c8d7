"""PostgreSQL stopped, frozen, restarted, out of connections: refused in time, back within seconds, nothing lost."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import psycopg2
import pytest

from tests.functional.faults.conftest import CONNECTIONS, database_of, example_of, kept, make_key, ready
from tests.functional.faults.ledger import Ledger, count
from tests.functional.faults.load import Call, Load
from tests.support.servers import PostgresServer
from tests.support.site import Site, wait_for

pytestmark = [pytest.mark.site, pytest.mark.fault, pytest.mark.promise(3)]

# CLFSITE_LOG_SECONDS, and what a busy machine adds
DEADLINE_SECONDS = 5.0 + 1.5
RECOVERY_SECONDS = 5.0
OUTAGE_SECONDS = 7.0


@pytest.fixture
def once(site: Site) -> str:
    """A key for callers who send an Idempotency-Key."""
    return make_key(site, "once", "predict")


@contextmanager
def under_load(site: Site, ledger: Ledger, once: str) -> Iterator[Load]:
    """Callers without and with an Idempotency-Key; ledger and log must agree in the end."""
    features, before = example_of(site), count(database_of(site))
    named_before = count(database_of(site), "once")
    with Load(site.port, features, ledger, callers=4) as load:
        with Load(site.port, features, ledger, key=once, callers=2, are_named=True) as named:
            load.wait_for_answers(20)
            yield load
            load.wait_for_answers(20)
            named.wait_for_answers(5)
        load.calls += named.calls
    kept(ledger, site, before)
    repeated = sum(1 for line in ledger.read() if line["name"])
    assert count(database_of(site), "once") - named_before - repeated <= len(named.unanswered)


def refused_in_time(load: Load, since: float) -> list[Call]:
    """The calls refused since a moment: each with 503 and Retry-After, and none kept waiting beyond the deadline."""
    refused = load.refused(since)
    wrong = [
        call
        for call in refused
        if call.status not in {503, 409} or (call.status == 503 and not call.retry_after)
    ]
    assert not wrong, (len(wrong), wrong[:3])
    assert max(call.seconds for call in load.calls) < DEADLINE_SECONDS
    return refused


def pages_are_refused(site: Site) -> None:
    """Pages and the managing API say 503 as well, and being alive does not depend on the database."""
    for path in ("/accounts/login/", "/portal/", "/health/ready", "/api/versions"):
        began = time.monotonic()
        answer = httpx.get(
            f"{site.url}{path}",
            timeout=DEADLINE_SECONDS,
            trust_env=False,
            cookies={"sessionid": "x" * 32},
            headers={"Authorization": "Bearer not-a-key-known-yet"} if path.startswith("/api") else {},
        )
        assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, path
        assert answer.headers["Retry-After"]
        assert "Traceback" not in answer.text
        assert time.monotonic() - began < DEADLINE_SECONDS, path
    assert httpx.get(f"{site.url}/health/live", trust_env=False).status_code == httpx.codes.OK


def recovers(site: Site, load: Load) -> float:
    """How many seconds passed until both processes answered again."""
    began = time.monotonic()
    load.wait_for_answers(1, RECOVERY_SECONDS)
    ready(site, RECOVERY_SECONDS)
    return time.monotonic() - began


@pytest.mark.case("F07")
def test_a_stopped_postgresql_is_a_503_in_time_and_forgotten_when_it_is_back(
    site: Site, postgres: PostgresServer, ledger: Ledger, once: str
) -> None:
    with under_load(site, ledger, once) as load:
        began = time.monotonic()
        postgres.stop()
        time.sleep(OUTAGE_SECONDS)
        pages_are_refused(site)
        assert refused_in_time(load, began)
        postgres.start()
        print(f"recovered after {recovers(site, load):.1f} s")


@pytest.mark.case("F08")
def test_a_frozen_postgresql_is_a_503_in_time_and_forgotten_when_it_wakes(
    site: Site, postgres: PostgresServer, ledger: Ledger, once: str
) -> None:
    with under_load(site, ledger, once) as load:
        began = time.monotonic()
        postgres.freeze()
        try:
            time.sleep(OUTAGE_SECONDS)
            pages_are_refused(site)
            assert refused_in_time(load, began)
        finally:
            postgres.thaw()
        print(f"recovered after {recovers(site, load):.1f} s")


@pytest.mark.case("F09")
def test_a_restarted_postgresql_loses_nothing(
    site: Site, postgres: PostgresServer, ledger: Ledger, once: str
) -> None:
    with under_load(site, ledger, once) as load:
        for _ in range(2):
            began = time.monotonic()
            postgres.stop()
            postgres.start()
            recovers(site, load)
            refused_in_time(load, began)


@pytest.mark.case("F10")
def test_a_postgresql_without_a_free_connection_is_a_503_in_time(
    site: Site, postgres: PostgresServer, ledger: Ledger, once: str
) -> None:
    with under_load(site, ledger, once) as load, ExitStack() as stack:
        began = time.monotonic()
        held = [take_all(postgres)]
        stack.callback(lambda: [item.close() for item in held[0]])
        with held[0][0].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND application_name <> 'hog'"
            )
        held.append(take_all(postgres))
        wait_for(lambda: load.refused(began), "a refusal", 10)
        time.sleep(2)
        refused_in_time(load, began)
        for connection in (*held[0], *held[1]):
            connection.close()
        print(f"recovered after {recovers(site, load):.1f} s")


def take_all(postgres: PostgresServer) -> list[psycopg2.extensions.connection]:
    """Connect until the server has no connection left."""
    taken: list[psycopg2.extensions.connection] = []
    while len(taken) <= CONNECTIONS:
        try:
            connection = psycopg2.connect(postgres.url, application_name="hog", connect_timeout=3)
        except psycopg2.OperationalError:
            return taken
        connection.autocommit = True
        taken.append(connection)
    raise AssertionError("the server has more connections than it was started with")


def test_a_connection_that_says_nothing_holds_nobody_up(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.port)):
        assert httpx.get(f"{site.url}/health/live", timeout=2, trust_env=False).is_success


def allow_writing(postgres: PostgresServer, read_only: str) -> None:
    """Set whether the server only allows reading, as a standby does."""
    connection = psycopg2.connect(postgres.url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute(f"ALTER SYSTEM SET default_transaction_read_only = {read_only}")
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()


def test_a_postgresql_that_only_allows_reading_is_a_503_and_forgotten_when_it_writes_again(
    site: Site, postgres: PostgresServer, ledger: Ledger, once: str
) -> None:
    with under_load(site, ledger, once) as load:
        since = time.monotonic()
        allow_writing(postgres, "on")
        try:
            # of four callers, one may have asked right before
            wait_for(lambda: len(load.refused(since)) >= 3, "refused calls", DEADLINE_SECONDS)
            answer = httpx.get(f"{site.url}/health/ready", trust_env=False)
        finally:
            allow_writing(postgres, "off")
        assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert "only allows reading" in answer.json()["checks"]["database"]
        assert refused_in_time(load, since)
        recovers(site, load)
