"""Messages survive: workers killed while they send, for real. `make prove` runs this."""

import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from clfsite.supervisor import WORKER
from tests.functional.test_run_faults import kill
from tests.support.inbox import Web, web
from tests.support.site import Site, demo_site, wait_for

pytestmark = [pytest.mark.site, pytest.mark.fault]

ALERTS, KILLS = 300, 6
SECONDS = 180.0
OPEN = """
from predictions.alerts.models import Receiver
from predictions.alerts.service import Finding, sync
from training.models import Version

Receiver.objects.create(name="hook", kind="webhook", target={url!r}, events=["alert"])
version = Version.objects.select_related("classifier").first()
# not rules of the site, whose workers would close them
sync(version, [Finding(f"rule {{number}}", "found", "") for number in range({count})], set())
"""
# a message whose worker was killed waits until its lease ends, which a test need not wait for
LET_GO = """
from datetime import timedelta
from django.utils import timezone
from predictions.alerts.models import Delivery

Delivery.objects.filter(state="waiting").update(lease_until=None, next_at=timezone.now() - timedelta(seconds=1))
"""


@pytest.fixture
def receiver() -> Iterator[Web]:
    with web() as inbox:
        inbox.seconds = 0.1
        yield inbox


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with demo_site(
        tmp_path_factory.mktemp("messages"), {"CLFSITE_RECEIVER_NETWORKS": "127.0.0.1/32"}
    ) as site:
        yield site


def counted(receiver: Web) -> Counter[str]:
    """How often each message came."""
    return Counter(headers["webhook-id"] for _, headers, _ in receiver.requests)


def test_killed_workers_lose_no_alert_and_send_none_as_another_message(site: Site, receiver: Web) -> None:
    script = OPEN.format(url=receiver.url(), count=ALERTS)
    site.manage("shell", "--no-imports", "-c", script)
    chance = random.Random(7)  # noqa: S311
    for _ in range(KILLS):
        known = len(receiver.requests)
        worker = site.start("-m", *WORKER)
        wait_for(lambda known=known: len(receiver.requests) > known, "a message", 60)
        time.sleep(chance.uniform(0, 1))
        kill(worker)
        site.manage("shell", "--no-imports", "-c", LET_GO)
    site.start("-m", *WORKER)
    wait_for(lambda: len(counted(receiver)) >= ALERTS, "every message", SECONDS)
    bodies = {headers["webhook-id"]: body for _, headers, body in receiver.requests}
    # each alert is one message, and a message that was under way at a kill is the same one when it comes again
    assert len(bodies) == len(set(bodies.values())) == ALERTS
    again = sum(count - 1 for count in counted(receiver).values())
    assert again <= KILLS, counted(receiver)
