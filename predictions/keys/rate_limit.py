"""How often a key may call: a bucket of tokens for each, which the web processes of a machine share in memory."""

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
# a bucket in a file: tokens, and the moment on the monotonic clock, which all processes of a machine share
_LAYOUT = struct.Struct("dd")
# buckets of keys that no longer call are let go of with the rest
MOST_BUCKETS = 10_000


@dataclass(slots=True)
class Bucket:
    """Tokens left, and when they were counted on the monotonic clock."""

    tokens: float
    counted: float


_buckets: dict[int, Bucket] = {}
_lock = threading.Lock()


def rate_of(own: int | None) -> float:
    """Calls a minute that this machine lets a key make, from the key's own rate; 0 stands for no limit.

    Machines share a key's calls evenly among them, so each takes its part of the rate.
    """
    servers: int = settings.CLFSITE_WEB_SERVERS
    return (settings.CLFSITE_KEY_RATE if own is None else own) / servers


def take(key_id: int, rate: float) -> None:
    """Take a token for one call; as many as come in a minute may be taken at once, and at least one.

    Raises:
        Throttled: none is left; says after how many seconds one will be.
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
    """A key's bucket, which no other thread or process has meanwhile: of this machine, or where no memory is shared of this process."""
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
