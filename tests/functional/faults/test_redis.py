"""Redis stopped, frozen and flushed: who asks for predictions and pages does not notice."""

import re
import statistics
import time
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from tests.functional.faults.conftest import database_of, example_of, kept
from tests.functional.faults.ledger import Ledger, count
from tests.functional.faults.load import Load
from tests.support.servers import RedisServer
from tests.support.site import PASSWORD, Site

pytestmark = [pytest.mark.site, pytest.mark.fault, pytest.mark.promise(4)]

WATCHED_SECONDS = 2.0


def stop(server: RedisServer) -> None:
    server.stop()


def freeze(server: RedisServer) -> None:
    server.freeze()


def flush(server: RedisServer) -> None:
    server.flush()


@pytest.mark.parametrize("harm", [stop, freeze, flush])
@pytest.mark.case("F11", "F12", "F13")
def test_predictions_and_pages_go_on_at_their_usual_pace(
    site: Site, redis_server: RedisServer, ledger: Ledger, harm: Callable[[RedisServer], None]
) -> None:
    before = count(database_of(site))
    with closing(log_in(site)) as visitor, Load(site.port, example_of(site), ledger, callers=2) as load:
        load.wait_for_answers(20)
        time.sleep(WATCHED_SECONDS)
        usual = statistics.median(call.seconds for call in load.answered())
        began = time.monotonic()
        harm(redis_server)
        try:
            for _ in range(3):
                assert visitor.get("/portal/").is_success
            time.sleep(WATCHED_SECONDS)
        finally:
            redis_server.thaw()
            if not redis_server.is_running:
                redis_server.start()
    assert not load.refused()
    # the machine is shared with others; what Redis would cost is seconds
    assert statistics.median(call.seconds for call in load.answered(began)) < 3 * usual + 0.02
    assert max(call.seconds for call in load.answered(began)) < 2.5
    kept(ledger, site, before)


def log_in(site: Site) -> httpx.Client:
    """A visitor who is logged in."""
    visitor = httpx.Client(base_url=site.url, timeout=10, trust_env=False, follow_redirects=True)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', visitor.get("/accounts/login/").text)
    assert token
    values = {"username": "demo", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    assert visitor.post("/accounts/login/", data=values).url.path == "/portal/"
    return visitor
