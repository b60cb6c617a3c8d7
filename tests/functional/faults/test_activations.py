"""Activations that race and come in hundreds while predictions are asked for, and keys that are revoked."""

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import cycle, islice, pairwise

import httpx
import psycopg2
import pytest

from tests.functional.faults.conftest import database_of, example_of, kept, make_key
from tests.functional.faults.ledger import Ledger, count
from tests.functional.faults.load import Load
from tests.support.site import Site
from tests.support.threads import at_once

pytestmark = [pytest.mark.site, pytest.mark.fault]

RACERS = 32
ACTIVATIONS = 200
FOLLOW_SECONDS = 2.0
REVOKED_SECONDS = 5.0


@pytest.fixture
def caller(site: Site, manager: str) -> Iterator[httpx.Client]:
    with site.client(manager) as client:
        yield client


def versions(caller: httpx.Client) -> dict[int, int]:
    """The ids of churn's versions by their numbers."""
    result = caller.get("/api/versions", params={"page_size": 100}).json()["results"]
    return {item["number"]: item["id"] for item in result}


def activate(caller: httpx.Client, version: int) -> int:
    """Ask for an activation and return the status."""
    return caller.post(f"/api/versions/{version}/activate", json={"reason": "a fault test"}).status_code


def activations(site: Site) -> list[tuple[int, int]]:
    """(number, version) of every activation, in order."""
    with closing(psycopg2.connect(database_of(site))) as server, server.cursor() as cursor:
        cursor.execute("SELECT number, version_id FROM training_activation ORDER BY number")
        return list(cursor.fetchall())


@pytest.mark.promise(6)
@pytest.mark.case("F24")
def test_racing_activations_take_turns_and_fail_no_prediction(
    site: Site, manager: str, caller: httpx.Client, ledger: Ledger
) -> None:
    ids, before = list(versions(caller).values()), count(database_of(site))
    with Load(site.port, example_of(site), ledger, callers=4) as load:
        load.wait_for_answers(10)

        def race(version: int) -> int:
            with site.client(manager) as racer:
                return activate(racer, version)

        statuses = at_once([partial(race, version) for version in islice(cycle(ids), RACERS)])
        load.wait_for_answers(10)
    assert set(statuses) <= {200, 409}, statuses
    assert not load.refused()
    made = activations(site)
    assert [number for number, _ in made] == list(range(1, len(made) + 1))
    assert all(first != second for (_, first), (_, second) in pairwise(made))
    kept(ledger, site, before)


@pytest.mark.promise(6)
def test_two_hundred_activations_fail_no_prediction_and_both_processes_follow(
    site: Site, caller: httpx.Client, ledger: Ledger
) -> None:
    ids, before = versions(caller), count(database_of(site))
    with Load(site.port, example_of(site), ledger, callers=4) as load:
        load.wait_for_answers(10)
        statuses = [activate(caller, version) for version in islice(cycle(ids.values()), ACTIVATIONS)]
        load.wait_for_answers(20)
        for number in (2, 1, 2, 1):
            activate(caller, ids[number])
            time.sleep(FOLLOW_SECONDS)
            began = time.monotonic()
            load.wait_for_answers(30)
            assert {call.version for call in load.answered(began)} == {number}
    assert set(statuses) <= {200, 409}
    assert statuses.count(200) >= ACTIVATIONS - 1
    assert not load.refused(), load.refused()[:3]
    assert {call.version for call in load.answered()} == set(ids)
    kept(ledger, site, before)


def test_a_revoked_key_is_refused_by_both_processes_within_five_seconds(site: Site, ledger: Ledger) -> None:
    key = make_key(site, "doomed", "predict")
    with Load(site.port, example_of(site), ledger, key=key, callers=6) as load:
        load.wait_for_answers(50)
        with closing(psycopg2.connect(database_of(site))) as server, server, server.cursor() as cursor:
            cursor.execute("UPDATE predictions_apikey SET revoked_at = now() WHERE name = 'doomed'")
        time.sleep(REVOKED_SECONDS)
        began = time.monotonic()
        time.sleep(2)
    # a body that nobody with a key sent is not read, so the server ends such a connection
    assert set(load.by_status(began)) <= {0, 401}
    assert 401 in load.by_status(began)
