"""Receivers: who is told, checked before they are stored."""

import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from clfsite.core.errors import Conflict, InvalidInput
from predictions.alerts.models import Receiver
from predictions.alerts.outgoing import check_url, is_allowed

MOST_ADDRESSES = 20
SHOWN = 4


def save(receiver: Receiver) -> Receiver:
    """Store a new or changed receiver.

    Raises:
        InvalidInput: its address or events are invalid. Conflict: another one has its name.
    """
    _check(receiver)
    try:
        with transaction.atomic():
            receiver.save()
    except IntegrityError as error:
        raise Conflict(f'there is already a receiver named "{receiver.name}"') from error
    return receiver


def masked(receiver: Receiver) -> str:
    """The address without the part that is a secret: who knows the address of a chat can write into it."""
    if receiver.kind == Receiver.Kind.EMAIL:
        return receiver.target
    parts = check_url(receiver.target)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return f"{parts.scheme}://{parts.netloc}/…{path[-SHOWN:]}" if len(path) > SHOWN else receiver.target


def _check(receiver: Receiver) -> None:
    problem: dict[str, Any] | None = None
    try:
        if receiver.kind == Receiver.Kind.EMAIL:
            _check_addresses(receiver.target.split(","))
        else:
            host = check_url(receiver.target).hostname or ""
            _check_literal(host)
    except InvalidInput as error:
        problem = {"field": "target", "code": "invalid", "message": str(error)}
        raise InvalidInput(str(error), [problem]) from error


def _check_addresses(addresses: Sequence[str]) -> None:
    if len(addresses) > MOST_ADDRESSES:
        raise InvalidInput(f"{len(addresses)} mail addresses; at most {MOST_ADDRESSES} are allowed")
    for address in addresses:
        try:
            validate_email(address.strip())
        except ValidationError as error:
            raise InvalidInput(f'"{address.strip()[:60]}" is not a mail address') from error


def _check_literal(host: str) -> None:
    """Refuse an address of a network that is not allowed; a name is looked up when a message is sent."""
    try:
        # also as a decimal or hexadecimal number, as the system reads it
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return
    if not all(is_allowed(ipaddress.ip_address(str(item[4][0]).split("%")[0])) for item in found):
        raise InvalidInput(
            "the address is in a private network; CLFSITE_RECEIVER_NETWORKS lists those that are allowed"
        )
