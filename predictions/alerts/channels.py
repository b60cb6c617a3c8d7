"""The shapes of a message, by kind of receiver, and sending it."""

import base64
import hashlib
import hmac
import time
from smtplib import SMTPException
from typing import Any

import orjson
from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from predictions.alerts.models import Delivery, Receiver
from predictions.alerts.outgoing import STEP_SECONDS, NotSentError, post

# of the Standard Webhooks specification, as the headers are
SECRET_PREFIX, SIGNATURE_VERSION = "whsec_", "v1"
_CARD = "application/vnd.microsoft.card.adaptive"


def secret_of(receiver: Receiver) -> str:
    """The secret that verifies the messages to a receiver, as its libraries take it."""
    return SECRET_PREFIX + base64.b64encode(_key(receiver)).decode()


def send(delivery: Delivery) -> None:
    """Send a message once.

    Raises:
        NotSentError: the receiver did not take it. InvalidInput: its address is none.
    """
    receiver, payload = delivery.receiver, delivery.payload
    if receiver.kind == Receiver.Kind.EMAIL:
        _mail(receiver, delivery)
        return
    shapes = {Receiver.Kind.SLACK: _slack, Receiver.Kind.TEAMS: _teams}
    shape = shapes.get(Receiver.Kind(receiver.kind))
    body = orjson.dumps(shape(payload) if shape else payload)
    headers = {"Content-Type": "application/json"}
    if shape is None:
        headers |= signed(str(delivery.pk), body, _key(receiver), int(time.time()))
    post(receiver.target, body, headers)


def signed(message_id: str, body: bytes, key: bytes, timestamp: int) -> dict[str, str]:
    """The headers of the Standard Webhooks specification: id, time in seconds, and HMAC-SHA256 of both and the body."""
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"{SIGNATURE_VERSION},{signature}",
    }


def _key(receiver: Receiver) -> bytes:
    return hmac.digest(settings.SECRET_KEY.encode(), f"receiver {receiver.salt}".encode(), hashlib.sha256)


def _lines(payload: dict[str, Any]) -> tuple[str, str]:
    """The first line and the rest of a message."""
    link = f"{settings.CLFSITE_PUBLIC_URL}{payload['path']}" if settings.CLFSITE_PUBLIC_URL else ""
    return payload["title"], "\n\n".join(filter(None, [payload["text"], link]))


def _slack(payload: dict[str, Any]) -> dict[str, Any]:
    title, text = (
        line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in _lines(payload)
    )
    return {"text": f"*{title}*\n{text}"}


def _teams(payload: dict[str, Any]) -> dict[str, Any]:
    title, text = _lines(payload)
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": title, "weight": "Bolder", "wrap": True},
            {"type": "TextBlock", "text": text, "wrap": True},
        ],
    }
    return {"type": "message", "attachments": [{"contentType": _CARD, "contentUrl": None, "content": card}]}


def _mail(receiver: Receiver, delivery: Delivery) -> None:
    if not settings.EMAIL_HOST:
        raise NotSentError("no mail server is configured (EMAIL_HOST)")
    title, text = _lines(delivery.payload)
    message = EmailMessage(
        # a subject is one line
        subject=" ".join(title.split()),
        body=text,
        to=[address.strip() for address in receiver.target.split(",")],
        connection=get_connection(timeout=STEP_SECONDS),
        # the same in each attempt
        headers={"Message-ID": f"<{delivery.pk}@clfsite>", "Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except (SMTPException, OSError) as error:
        raise NotSentError(f"the mail server did not take it: {type(error).__name__}") from error
