"""Rate limits: a token bucket for each key, shared in memory by the web processes of a machine."""

import fcntl
import math
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from django.conf import settings
from rest_framework.exceptions import Throttled

from clfsite.core.shared_memory import FOLDER, reserve
from clfsite.core.web import metrics

MINUTE = 60.0
# a bucket in a file: tokens, and the time of the monotonic clock, which is the same in all processes of a
# machine
_LAYOUT = struct.Struct("dd")
# most buckets; beyond it, all are dropped, including those of unused keys
MOST_BUCKETS = 10_000


@dataclass(slots=True)
class Bucket:
    """The remaining tokens, and the monotonic time of their count."""

    tokens: float
    counted: float


_buckets: dict[int, Bucket] = {}
_lock = threading.Lock()


def rate_of(own: int | None) -> float:
    """Calls per minute of a key on this machine, from the key's own rate; 0 means no limit.

    Machines share the rate of a key equally.
    """
    servers: int = settings.CLFSITE_WEB_SERVERS
    return (settings.CLFSITE_KEY_RATE if own is None else own) / servers


def take(key_id: int, rate: float) -> None:
    """Take a token for one call. The bucket holds the tokens of a minute, and at least one.

    Raises:
        Throttled: there is no token; has the seconds until the next one.
    """
    most = max(rate, 1.0)
    with _held(key_id, most) as bucket:
        now = monotonic()
        bucket.tokens = min(most, bucket.tokens + max(now - bucket.counted, 0.0) * rate / MINUTE)
        bucket.counted = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return
        wait = math.ceil((1 - bucket.tokens) * MINUTE / rate)
    metrics.refused_key("too_often")
    error = Throttled(wait=wait)
    error.detail = f"the rate limit of the key is reached; try again in {wait} s"  # type: ignore[assignment]
    raise error


def forget() -> None:
    """Fill the buckets of this process."""
    _buckets.clear()


@contextmanager
def _held(key_id: int, most: float) -> Iterator[Bucket]:
    """A key's bucket under a lock: of this machine, or of this process if there is no shared memory."""
    path = Path(os.environ.get(FOLDER, "")) / f"rate-{key_id}"
    if FOLDER not in os.environ or not reserve(path, _LAYOUT.size):
        with _lock:
            if key_id not in _buckets and len(_buckets) >= MOST_BUCKETS:
                _buckets.clear()
            yield _buckets.setdefault(key_id, Bucket(most, monotonic()))
        return
    descriptor = os.open(path, os.O_RDWR)
    try:
        # given up when the file is closed
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        tokens, counted = _LAYOUT.unpack(os.pread(descriptor, _LAYOUT.size, 0))
        bucket = Bucket(tokens, counted) if counted else Bucket(most, monotonic())
        try:
            yield bucket
        finally:
            os.pwrite(descriptor, _LAYOUT.pack(bucket.tokens, bucket.counted), 0)
    finally:
        os.close(descriptor)
