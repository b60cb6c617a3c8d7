"""Messages for receivers: written once for what happened, then sent by a worker until the receiver takes them."""

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils import timezone

from clfsite.core.errors import ProblemError
from predictions.alerts import channels
from predictions.alerts.models import Alert, Delivery, Receiver
from predictions.alerts.outgoing import NotSentError
from predictions.batches.models import Batch
from training.models import Activation, Run, Version

# pauses before the second and later attempts, and with the last one it is given up
PAUSES = tuple(
    timedelta(seconds=seconds)
    for seconds in (10, 30, 120, 600, 1_800, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600)
)
# longer than an attempt takes
LEASE = timedelta(seconds=60)
# how far back events are looked for: longer than all workers are ever stopped
LOOK_BACK = timedelta(days=7)
# how long a transaction may take that stores an event with its time
LEEWAY = timedelta(minutes=10)
KEPT = timedelta(days=30)
TEST = "test"


class Message(NamedTuple):
    """What happened: to which classifier, a key that tells it from all others, and the JSON that is sent."""

    event: Receiver.Event
    classifier_id: int
    key: str
    payload: dict[str, Any]


def announce(alert: Alert) -> None:
    """Write the messages about the state of an alert, in the transaction that changed it."""
    state = "opened" if alert.state == Alert.State.OPEN else alert.state
    payload = {
        "type": f"alert.{state}",
        "at": _time(timezone.now()),
        "title": f"{alert.classifier.name}: alert {state}",
        "text": alert.message,
        "path": reverse("predictions:alert-detail", args=[alert.pk]),
        "data": {
            "id": alert.pk,
            "rule": alert.rule,
            "column": alert.subject or None,
            "state": alert.state,
            "since": _time(alert.opened_at),
            "model": alert.classifier.name,
            "version": alert.version.number,
        },
    }
    write([Message(Receiver.Event.ALERT, alert.classifier_id, f"alert {alert.pk} {state}", payload)])


def write(messages: Iterable[Message]) -> None:
    """Write each message once for each receiver that wants it."""
    receivers = list(Receiver.objects.filter(is_enabled=True))
    rows = [
        Delivery(receiver=receiver, key=message.key, payload=message.payload)
        for message in messages
        for receiver in receivers
        if message.event in receiver.events and receiver.classifier_id in {None, message.classifier_id}
    ]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)


def collect(since: datetime) -> None:
    """Write messages about what has happened since a moment. What was told before is not told again."""
    wanted = {event for receiver in Receiver.objects.filter(is_enabled=True) for event in receiver.events}
    oldest = Receiver.objects.order_by("created_at").values_list("created_at", flat=True).first()
    if oldest is None or wanted <= {Receiver.Event.ALERT}:
        return
    receivers = {
        event: [row for row in Receiver.objects.filter(is_enabled=True) if event in row.events]
        for event in wanted
    }
    for event, read in _EVENTS.items():
        for at, message in read(since) if event in wanted else ():
            for receiver in receivers[event]:
                # a new receiver is not told what was before it
                if receiver.created_at <= at and receiver.classifier_id in {None, message.classifier_id}:
                    Delivery.objects.get_or_create(
                        receiver=receiver, key=message.key, defaults={"payload": message.payload}
                    )


def attempt(delivery: Delivery) -> None:
    """Send one message, if no other worker does, and store the result."""
    if not delivery.claim_it(LEASE):
        return
    delivery.refresh_from_db(fields=["attempts"])
    try:
        channels.send(delivery)
    except (NotSentError, ProblemError) as error:
        if delivery.attempts > len(PAUSES) or delivery.payload["type"] == TEST:
            delivery.settle(state=Delivery.State.FAILED, error=str(error)[:500])
        else:
            next_at = timezone.now() + PAUSES[delivery.attempts - 1]
            delivery.settle(next_at=next_at, error=str(error)[:500])
        # the others wait, too, so that many messages for one receiver that is down take no places
        others = Delivery.objects.due(timezone.now()).filter(receiver=delivery.receiver_id)
        others.update(next_at=timezone.now() + PAUSES[0])
    else:
        delivery.settle(state=Delivery.State.SENT, sent_at=timezone.now(), error="")


def send_again(delivery: Delivery) -> None:
    """Send a message now that could not be sent."""
    rows = Delivery.objects.unsent().filter(pk=delivery.pk)
    rows.update(state=Delivery.State.WAITING, attempts=0, next_at=timezone.now(), error="")


def queue_test(receiver: Receiver) -> Delivery:
    """Write a test message, which a worker sends once, so that no page waits for the receiver."""
    payload = {
        "type": TEST,
        "at": _time(timezone.now()),
        "title": "Test message",
        "text": f"{receiver.name} gets the messages of this site.",
        "path": reverse("predictions:receiver-list"),
        "data": {},
    }
    return Delivery.objects.create(receiver=receiver, key=f"{TEST} {uuid.uuid4()}", payload=payload)


def forget_old() -> None:
    """Delete old messages; events are looked for over a shorter time, so none is told again."""
    Delivery.objects.filter(created_at__lt=timezone.now() - KEPT).exclude(
        state=Delivery.State.WAITING
    ).delete()


def _runs(since: datetime) -> Iterator[tuple[datetime, Message]]:
    rows = Run.objects.filter(finished_at__gte=since).select_related("classifier").order_by("finished_at")
    for row in rows.only("state", "error", "finished_at", "attempt", "classifier__name"):
        yield _event(
            Receiver.Event.RUN,
            f"run {row.pk} {_time(row.finished_at)}",
            row.finished_at,
            row.classifier_id,
            type=f"run.{row.state}",
            title=f"Run {row.pk} of {row.classifier.name} {row.state}",
            text=row.error[:500],
            path=reverse("training:run-detail", args=[row.pk]),
            data={"id": row.pk, "model": row.classifier.name, "state": row.state},
        )


def _versions(since: datetime) -> Iterator[tuple[datetime, Message]]:
    rows = Version.objects.filter(created_at__gte=since).select_related("classifier").order_by("created_at")
    for row in rows.defer(*Version.bulky()):
        yield _event(
            Receiver.Event.VERSION,
            f"version {row.pk}",
            row.created_at,
            row.classifier_id,
            type="version.registered",
            title=f"{row} was registered",
            text="It waits until a person activates it.",
            path=reverse("training:version-detail", args=[row.pk]),
            data={"id": row.pk, "model": row.classifier.name, "version": row.number},
        )


def _activations(since: datetime) -> Iterator[tuple[datetime, Message]]:
    rows = Activation.objects.filter(created_at__gte=since).select_related("version__classifier")
    rows = rows.defer(*Version.bulky(path="version__")).order_by("created_at")
    for row in rows:
        yield _event(
            Receiver.Event.ACTIVATION,
            f"activation {row.pk}",
            row.created_at,
            row.version.classifier_id,
            type="version.activated",
            title=f"{row.version} became active",
            text=f"{row.actor}: {row.reason}"[:500],
            path=reverse("training:version-detail", args=[row.version_id]),
            data={"id": row.version_id, "model": row.version.classifier.name, "version": row.version.number},
        )


def _batches(since: datetime) -> Iterator[tuple[datetime, Message]]:
    rows = Batch.objects.filter(finished_at__gte=since).select_related("version__classifier")
    rows = rows.only(
        *("state", "error", "finished_at", "file_name", "rows_total", "rows_bad"),
        *("version__number", "version__classifier__name"),
    )
    for row in rows.order_by("finished_at"):
        yield _event(
            Receiver.Event.BATCH,
            f"batch {row.pk} {_time(row.finished_at)}",
            row.finished_at,
            row.version.classifier_id,
            type=f"batch.{row.state}",
            title=f"Batch {row.pk} ({row.file_name}) {row.state}",
            text=row.error[:500] or f"{row.rows_good:,} of {row.rows_total:,} rows were scored.",
            path=reverse("predictions:batch-detail", args=[row.pk]),
            data={
                "id": row.pk,
                "model": row.version.classifier.name,
                "version": row.version.number,
                "state": row.state,
                "rows_total": row.rows_total,
                "rows_bad": row.rows_bad,
            },
        )


_EVENTS = {
    Receiver.Event.RUN: _runs,
    Receiver.Event.VERSION: _versions,
    Receiver.Event.ACTIVATION: _activations,
    Receiver.Event.BATCH: _batches,
}


def _event(
    event: Receiver.Event, key: str, at: datetime | None, classifier_id: int, **payload: Any
) -> tuple[datetime, Message]:
    moment = at or timezone.now()
    return moment, Message(event, classifier_id, key, {"at": _time(moment), **payload})


def _time(moment: datetime | None) -> str:
    return moment.isoformat().replace("+00:00", "Z") if moment else ""
