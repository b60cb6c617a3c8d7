"""API keys: shown once, stored as a hash, and checked on every call, mostly without a query."""

import hashlib
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from clfsite.core.api.permissions import SCOPES
from clfsite.core.errors import InvalidInput, Unavailable
from clfsite.core.requests import access_log
from clfsite.core.web import metrics
from predictions.keys import rate_limit
from predictions.models import ApiKey

PREFIX = "clf_"
MAX_LENGTH = 200
# seconds after which a revoked key is refused in all processes; the promise is 5
CACHE_SECONDS = 3.0
# seconds without a lookup by the follower, after which the database counts as down
LATE_SECONDS = 4.0
CACHE_SIZE = 10_000
LAST_USE_SECONDS = 60
MAX_RATE = 1_000_000
MAX_LIFE = timedelta(days=36_500)


@dataclass(frozen=True)
class KeyCaller:
    """The caller with a key: `request.auth` of API views."""

    key_id: int
    name: str
    scopes: frozenset[str]
    rate: float = 0.0  # calls per minute in this process; 0 for no limit


class KeyUser:
    """Stands for a key where DRF expects a user; no one logs in as it."""

    is_authenticated = True
    is_staff = False
    pk = None

    def __init__(self, caller: KeyCaller) -> None:
        self.username = caller.name

    def get_username(self) -> str:
        return f"key {self.username}"


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`."""

    def authenticate(self, request: Request) -> tuple[KeyUser, KeyCaller] | None:
        if "HTTP_AUTHORIZATION" not in request.META:
            return None
        caller = identify(request)
        return KeyUser(caller), caller

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


@dataclass(slots=True)
class Kept:
    """A cached key, and the monotonic time of its lookup."""

    caller: KeyCaller
    expires_at: datetime | None
    checked: float
    used: bool = False


_cache: dict[str, Kept] = {}
_lock = threading.Lock()
# whether another thread refreshes the cache, see `refresh`
_is_followed = False


def create(
    *,
    name: str,
    scopes: Sequence[str],
    secret: str = "",
    expires_in: timedelta | None = None,
    rate: int | None = None,
    actor: str = "",
) -> tuple[ApiKey, str]:
    """Create a key.

    Args:
        rate: calls per minute, 0 for no limit; None for the setting CLFSITE_KEY_RATE.
        secret: the key if given; otherwise 256 random bits.
        actor: the creator; empty for the command line.

    Returns:
        (row, key): the key itself is not stored and cannot be shown again.

    Raises:
        InvalidInput: no name, no scope, an unknown scope, a rate below 0, or a secret that no header can carry.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        message = f"unknown scope {', '.join(unknown)}" if unknown else "a key needs at least one scope"
        raise InvalidInput(f"{message}; choose from {', '.join(SCOPES)}")
    if not name.strip():
        raise InvalidInput("the key has no name; enter the person or program that uses it")
    if rate is not None and not 0 <= rate <= MAX_RATE:
        raise InvalidInput(f"the rate is {rate}; expected 0 to {MAX_RATE:,} calls a minute, 0 for no limit")
    if expires_in is not None and not timedelta(0) < expires_in <= MAX_LIFE:
        raise InvalidInput(f"the expiry is out of range; expected 1 to {MAX_LIFE.days:,} days, or none")
    key = secret or PREFIX + secrets.token_urlsafe(32)
    if not key.isascii() or not key.isprintable() or " " in key or len(key) > MAX_LENGTH:
        raise InvalidInput(
            f"the key is malformed; expected 1 to {MAX_LENGTH} printable ASCII characters without spaces"
        )
    row = ApiKey.objects.create(
        name=name.strip()[:100],
        digest=_digest(key),
        hint=key[: len(PREFIX) + 4] if not secret else "",
        scopes=sorted(set(scopes)),
        expires_at=timezone.now() + expires_in if expires_in else None,
        rate=rate,
        created_by=actor,
    )
    return row, key


def revoke(rows: Iterable[ApiKey], *, actor: str) -> list[ApiKey]:
    """Revoke keys, in all processes within 5 s, and return those that were not revoked before."""
    now = timezone.now()
    ended = [
        row
        for row in rows
        if ApiKey.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=now, revoked_by=actor)
    ]
    forget()
    return ended


def exists(key: str) -> bool:
    return ApiKey.objects.filter(digest=_digest(key)).exists()


def identify(request: HttpRequest | Request) -> KeyCaller:
    """Return the caller, and count the call against the key's rate.

    Raises:
        AuthenticationFailed: no key, not a key, unknown, expired or revoked; the message is the same for all.
        Throttled: the rate limit is reached.
    """
    scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise refused("the API key is missing; send the header Authorization: Bearer <key>", "missing")
    return recognise(key)


def recognise(key: str) -> KeyCaller:
    """Return the caller of a key, and count the call against its rate.

    Raises:
        AuthenticationFailed, Throttled: see `identify`.
    """
    caller = _recognise(key)
    access_log.name_caller(caller.name)
    if caller.rate:
        rate_limit.take(caller.key_id, caller.rate)
    return caller


def is_valid(key: str) -> bool:
    """Whether a key is known and neither expired nor revoked; this counts as no call."""
    try:
        _recognise(key)
    except AuthenticationFailed:
        return False
    return True


def _recognise(key: str) -> KeyCaller:
    if len(key) > MAX_LENGTH:
        raise refused("the API key is not valid")
    digest = _digest(key.strip())
    kept = _cache.get(digest)
    if kept is None:
        return _look_up(digest)
    age = time.monotonic() - kept.checked
    if age > (LATE_SECONDS if _is_followed else CACHE_SECONDS):
        if _is_followed:
            raise Unavailable("the database is not responding, so keys cannot be checked; try again")
        return _look_up(digest)
    if kept.expires_at and kept.expires_at <= timezone.now():
        _note_end(kept.caller.name, "key_expired")
        raise refused("the API key is not valid")
    kept.used = True
    return kept.caller


def refresh() -> None:
    """Look up all cached keys again in one query. After the first call, requests do not refresh keys themselves."""
    global _is_followed  # noqa: PLW0603  one cache for each process
    now = time.monotonic()
    rows = {row.digest: row for row in ApiKey.objects.filter(digest__in=list(_cache), revoked_at=None)}
    used = []
    for digest, kept in list(_cache.items()):
        if digest not in rows or not rows[digest].is_usable:
            _cache.pop(digest, None)
            continue
        if kept.used and _is_stale(rows[digest]):
            used.append(rows[digest].pk)
        _cache[digest] = _keep(rows[digest], now)
    if used:
        ApiKey.objects.filter(pk__in=used).update(last_used_at=timezone.now())
    _is_followed = True


def refused(message: str, reason: str = "not_valid") -> AuthenticationFailed:
    """A 401 with the challenge, also for views that do not use DRF's; counted by its reason."""
    metrics.refused_key(reason)
    error = AuthenticationFailed(message)
    error.auth_header = "Bearer"  # type: ignore[attr-defined]
    return error


def forget() -> None:
    """Empty this process's cache of keys."""
    global _is_followed  # noqa: PLW0603
    _cache.clear()
    rate_limit.forget()
    _is_followed = False


def _look_up(digest: str) -> KeyCaller:
    now = time.monotonic()
    row = ApiKey.objects.filter(digest=digest).first()
    if row is None or not row.is_usable:
        _cache.pop(digest, None)
        if row:
            _note_end(row.name, "key_revoked" if row.revoked_at else "key_expired")
        raise refused("the API key is not valid")
    if _is_stale(row):
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
    with _lock:
        if len(_cache) >= CACHE_SIZE:
            _cache.clear()
        kept = _cache[digest] = _keep(row, now)
    return kept.caller


def _note_end(name: str, code: str) -> None:
    """Record in the log, but not in the answer, whose key is not valid any longer."""
    access_log.name_caller(name)
    access_log.note_reason(code)


def _keep(row: ApiKey, now: float) -> Kept:
    caller = KeyCaller(row.pk, row.name, frozenset(row.scopes), rate_limit.rate_of(row.rate))
    return Kept(caller, row.expires_at, now)


def _is_stale(row: ApiKey) -> bool:
    """Whether the stored time of the last use is old enough to update it."""
    return row.last_used_at is None or row.last_used_at < timezone.now() - timedelta(seconds=LAST_USE_SECONDS)


def _digest(key: str) -> str:
    # a key is random, so one round of a fast hash is as good as a slow one; see docs/development.md
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
