"""SIGTERM while callers call, callers who are slow by the hundred, and callers who are gone."""

import json
import signal
import socket
import time

import pytest

from tests.functional.faults.conftest import database_of, example_of, kept, ready
from tests.functional.faults.ledger import Ledger, count
from tests.functional.faults.load import Load
from tests.support.site import KEY, Site

pytestmark = [pytest.mark.site, pytest.mark.fault]

SLOW = 200
GONE = 100


@pytest.mark.promise(1)
@pytest.mark.case("F03")
def test_sigterm_answers_whatever_it_has_accepted(site: Site, ledger: Ledger) -> None:
    features, before = example_of(site), count(database_of(site))
    for _ in range(2):
        with Load(site.port, features, ledger, callers=6) as load:
            load.wait_for_answers(60)
            asked = time.monotonic()
            site.processes[-1].send_signal(signal.SIGTERM)
            status = site.processes[-1].wait(20)
            took = time.monotonic() - asked
        site.serve("--no-worker", "--web", "2")
        # a connection that the server closed while a call came took nothing of it: that is not a failed one
        failed = [call for call in load.refused() if call.status or call.began + call.seconds < asked]
        assert not failed, failed[:3]
        assert status == 0
        assert took < 10
    result = kept(ledger, site, before)
    # whatever was committed was answered too
    assert result.logged == result.acknowledged


@pytest.mark.case("F27")
def test_two_hundred_slow_callers_without_a_key_hold_nobody_up(site: Site, ledger: Ledger) -> None:
    features = example_of(site)
    slow = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(SLOW)]
    try:
        for number, connection in enumerate(slow):
            head = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            # half of them stop within the head, the others within the body
            connection.sendall(head + (b"Content-Length: 1000\r\n\r\n{" if number % 2 else b""))
        with Load(site.port, features, ledger, callers=4) as load:
            load.wait_for_answers(100)
            for connection in slow[:20]:
                connection.sendall(b" ")
            load.wait_for_answers(100)
        assert not load.refused()
        assert max(call.seconds for call in load.calls) < 2
    finally:
        for connection in slow:
            connection.close()
    ready(site)


@pytest.mark.case("F28")
def test_callers_who_are_gone_before_their_answer_leave_the_site_and_its_counts_whole(
    site: Site, ledger: Ledger
) -> None:
    body = json.dumps({"features": example_of(site)}).encode()
    head = (
        f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    before = count(database_of(site))
    with Load(site.port, example_of(site), ledger, callers=2) as load:
        for number in range(GONE):
            with socket.create_connection(("127.0.0.1", site.port)) as connection:
                connection.sendall(head + (body if number % 2 else body[:50]))
        load.wait_for_answers(20)
    assert not load.refused()
    kept(ledger, site, before)
