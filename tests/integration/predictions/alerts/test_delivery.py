"""Messages reach real receivers, once, whatever becomes of worker and receiver in between."""

import base64
import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from predictions.alerts import channels, courier, outbox
from predictions.alerts.models import Delivery, Receiver
from predictions.alerts.service import Finding, sync
from tests.support.factories import ActivationFactory, BatchFactory, RunFactory, VersionFactory
from tests.support.inbox import mail, web

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]


@pytest.fixture(autouse=True)
def _this_machine_is_allowed(settings: Settings) -> None:
    settings.CLFSITE_RECEIVER_NETWORKS = ("127.0.0.1/32",)
    settings.CLFSITE_PUBLIC_URL = "https://clfsite.example.org"


def receiver(target: str, kind: str = "webhook", **fields: Any) -> Receiver:
    values = {"name": f"{kind} {target}"[:100], "kind": kind, "target": target, "events": ["alert"]}
    return Receiver.objects.create(**{**values, **fields})


def open_alert() -> None:
    sync(VersionFactory.create(), [Finding("drift", "<tenure> & more moved.", "tenure")], {"drift"})


def test_a_webhook_is_signed_and_its_secret_verifies_it() -> None:
    with web() as inbox:
        to = receiver(inbox.url())
        open_alert()
        courier.send_now()
    ((_, headers, body),) = inbox.requests
    delivery = Delivery.objects.get()
    assert (delivery.state, headers["webhook-id"]) == ("sent", str(delivery.pk))
    payload = json.loads(body)
    assert (payload["type"], payload["data"]["column"]) == ("alert.opened", "tenure")
    assert abs(int(headers["webhook-timestamp"]) - timezone.now().timestamp()) < 60
    key = base64.b64decode(channels.secret_of(to).removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{signature}"


def test_slack_and_teams_get_their_shapes() -> None:
    with web() as inbox:
        receiver(inbox.url("/slack"), "slack")
        receiver(inbox.url("/teams"), "teams")
        open_alert()
        courier.send_now()
    bodies = {path: json.loads(body) for path, _, body in inbox.requests}
    assert "&lt;tenure&gt; &amp; more moved." in bodies["/slack"]["text"]
    card = bodies["/teams"]["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert "<tenure> & more moved." in card["content"]["body"][1]["text"]
    assert "https://clfsite.example.org/portal/alerts/" in card["content"]["body"][1]["text"]


def test_a_mail_goes_to_all_addresses(settings: Settings) -> None:
    with mail() as inbox:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", inbox.port
        receiver("ann@example.org, bob@example.org", "email")
        inbox.refuses = True
        open_alert()
        courier.send_now()
        assert "mail server did not take it" in Delivery.objects.get().error
        inbox.refuses = False
        Delivery.objects.update(next_at=timezone.now())
        courier.send_now()
    assert inbox.recipients == ["ann@example.org", "bob@example.org"]
    (message,) = inbox.messages
    assert message["Message-ID"] == f"<{Delivery.objects.get().pk}@clfsite>"
    assert "alert opened" in message["Subject"]


def test_without_a_mail_server_the_reason_is_told(settings: Settings) -> None:
    settings.EMAIL_HOST = ""
    receiver("ann@example.org", "email")
    open_alert()
    courier.send_now()
    assert "EMAIL_HOST" in Delivery.objects.unsent().get().error


def test_a_receiver_that_is_down_gets_the_message_later_with_the_same_id() -> None:
    with web() as inbox:
        receiver(inbox.url())
        inbox.statuses = [500, 429]
        open_alert()
        for _ in range(4):
            courier.send_now()
            Delivery.objects.filter(state="waiting").update(next_at=timezone.now())
    ids = [headers["webhook-id"] for _, headers, _ in inbox.requests]
    assert (len(ids), len(set(ids))) == (3, 1)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.error) == ("sent", 3, "")


def test_pauses_grow_and_in_the_end_it_is_given_up_until_somebody_sends_it_again() -> None:
    with web() as inbox:
        receiver(inbox.url())
        open_alert()
        inbox.statuses = [500] * 20
        pauses = []
        while (delivery := Delivery.objects.get()).state == "waiting":
            outbox.attempt(delivery)
            delivery.refresh_from_db()
            pauses.append(delivery.next_at - timezone.now())
            Delivery.objects.filter(state="waiting").update(next_at=timezone.now())
        assert delivery.state == "failed"
        assert len(inbox.requests) == len(outbox.PAUSES) + 1
        assert pauses[:-1] == sorted(pauses[:-1])
        inbox.statuses = []
        outbox.send_again(delivery)
        courier.send_now()
    assert Delivery.objects.get().state == "sent"


def test_a_message_whose_worker_was_killed_is_sent_by_another_and_by_no_two() -> None:
    with web() as inbox:
        receiver(inbox.url())
        open_alert()
        lost = Delivery.objects.get()
        assert lost.claim_it(outbox.LEASE)
        courier.send_now()
        assert not inbox.requests  # its worker may still be sending
        Delivery.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
        courier.send_now()
        # the first worker was only slow: what it has to say about its attempt is too late
        assert not lost.settle(state="waiting", error="late")
    assert len(inbox.requests) == 1
    assert Delivery.objects.get().state == "sent"


def test_one_receiver_that_is_down_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "close_old_connections", lambda: None)
    with web() as down, web() as well:
        first, second = receiver(down.url()), receiver(well.url())
        down.statuses = [503] * 10
        for _ in range(3):
            open_alert()
        with ThreadPoolExecutor(1) as pool:
            pool.submit = lambda work, item: work(item)  # type: ignore[method-assign, assignment]
            for _ in range(3):
                courier.send_due(pool)
    assert len(well.requests) == 3
    assert len(down.requests) == 1
    assert Delivery.objects.filter(receiver=first, state="waiting").count() == 3
    assert Delivery.objects.filter(receiver=second, state="sent").count() == 3


def test_events_are_told_once_and_not_those_from_before_the_receiver() -> None:
    RunFactory.create(failed=True)
    receiver("https://example.org/", events=["run", "version", "activation", "batch"])
    since = timezone.now() - outbox.LOOK_BACK
    outbox.collect(since)
    assert not Delivery.objects.exists()
    version = ActivationFactory.create().version
    RunFactory.create(failed=True)
    BatchFactory.create(version=version, succeeded=True)
    BatchFactory.create(version=version)
    for _ in range(2):
        outbox.collect(since)
    types = sorted(row.payload["type"] for row in Delivery.objects.all())
    assert {*types} >= {"batch.succeeded", "run.failed", "version.activated", "version.registered"}
    assert (
        types.count("batch.succeeded") == types.count("run.failed") == types.count("version.activated") == 1
    )


def test_a_test_message_is_tried_once() -> None:
    with web() as inbox:
        to = receiver(inbox.url())
        inbox.statuses = [404]
        outbox.queue_test(to)
        courier.send_now()
        courier.send_now()
        assert Delivery.objects.get().state == "failed"
        outbox.queue_test(to)
        courier.send_now()
    assert [json.loads(body)["type"] for *_, body in inbox.requests] == ["test", "test"]


def test_old_messages_are_deleted_but_not_waiting_ones() -> None:
    receiver("https://example.org/")
    for _ in range(2):
        open_alert()
    Delivery.objects.update(created_at=timezone.now() - outbox.KEPT - timedelta(days=1))
    sent = Delivery.objects.all()[0]
    Delivery.objects.filter(pk=sent.pk).update(state="sent")
    outbox.forget_old()
    assert Delivery.objects.get().state == "waiting"
