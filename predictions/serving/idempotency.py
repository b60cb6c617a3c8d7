"""`Idempotency-Key`: a repeated call is executed once and returns the first answer."""

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from clfsite.core.errors import Conflict, InvalidInput, Malformed
from predictions.models import KeptAnswer

HEADER = "Idempotency-Key"
META = "HTTP_IDEMPOTENCY_KEY"
LONGEST = 255
KEPT = timedelta(hours=24)

# (id of the API key, value of the header) of the calls that this process is executing
_under_way: set[tuple[int, str]] = set()
_lock = threading.Lock()


def once(request: HttpRequest, key_id: int, carry_out: Callable[[], bytes]) -> tuple[bytes, bool]:
    """Execute a call, or return the answer to the same call within the last day.

    The answer and its predictions are committed together.

    Returns:
        (the answer's body, whether it is an earlier one).

    Raises:
        Malformed: the header is invalid. InvalidInput: the key was used with another body.
        Conflict: the same call is in progress.
    """
    name = request.META[META]
    if not name or len(name) > LONGEST or not name.isascii() or not name.isprintable():
        raise Malformed(f"{HEADER} takes 1 to {LONGEST} printable ASCII characters")
    digest = hashlib.sha256(request.path.rstrip("/").encode() + b"\0" + request.body).hexdigest()
    with _lock:
        if (key_id, name) in _under_way:
            raise Conflict(f"a call with this {HEADER} is in progress; try again when it has ended")
        _under_way.add((key_id, name))
    try:
        kept = _find(key_id, name, digest)
        return (kept, True) if kept is not None else _carry_out(key_id, name, digest, carry_out)
    finally:
        with _lock:
            _under_way.discard((key_id, name))


def forget_old() -> int:
    """Delete expired answers and return their number."""
    return KeptAnswer.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]


def _carry_out(key_id: int, name: str, digest: str, carry_out: Callable[[], bytes]) -> tuple[bytes, bool]:
    try:
        with transaction.atomic():
            KeptAnswer.objects.filter(key_id=key_id, name=name, created_at__lt=timezone.now() - KEPT).delete()
            # before the work: another process with the same call waits here for this process's commit
            kept = KeptAnswer.objects.create(key_id=key_id, name=name, digest=digest, body=b"")
            body = carry_out()
            KeptAnswer.objects.filter(pk=kept.pk).update(body=body)
    except IntegrityError:
        earlier = _find(key_id, name, digest)
        if earlier is None:
            raise
        return earlier, True
    return body, False


def _find(key_id: int, name: str, digest: str) -> bytes | None:
    """The stored answer to this call.

    Raises:
        InvalidInput: the key was used for another one.
    """
    since = timezone.now() - KEPT
    kept = KeptAnswer.objects.filter(key_id=key_id, name=name, created_at__gte=since).first()
    if kept is None:
        return None
    if kept.digest != digest:
        raise InvalidInput(
            f"this {HEADER} was already used with another body or address; use a new one for each call"
        )
    return bytes(kept.body)
