"""How often a key may call: a bucket of tokens for each, in this process, so that no other service is needed for it."""

import math
import threading
from dataclasses import dataclass
from time import monotonic

from django.conf import settings
from rest_framework.exceptions import Throttled

from clfsite.core.web import metrics

MINUTE = 60.0
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
    """Calls a minute that this process lets a key make, from the key's own rate; 0 stands for no limit.

    Web processes share a key's calls evenly among them, so each takes its part of the rate.
    """
    rate = settings.CLFSITE_KEY_RATE if own is None else own
    return rate / settings.CLFSITE_WEB_PROCESSES


def take(key_id: int, rate: float) -> None:
    """Take a token for one call; as many as come in a minute may be taken at once, and at least one.

    Raises:
        Throttled: none is left; says after how many seconds one will be.
    """
    now = monotonic()
    most = max(rate, 1.0)
    with _lock:
        bucket = _buckets.get(key_id)
        if bucket is None:
            if len(_buckets) >= MOST_BUCKETS:
                _buckets.clear()
            bucket = _buckets[key_id] = Bucket(most, now)
        bucket.tokens = min(most, bucket.tokens + (now - bucket.counted) * rate / MINUTE)
        bucket.counted = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return
        wait = math.ceil((1 - bucket.tokens) * MINUTE / rate)
    metrics.refused_key("too_often")
    error = Throttled(wait=wait)
    error.detail = f"the key has made its calls for now; try again in {wait} s"  # type: ignore[assignment]
    raise error


def forget() -> None:
    """Fill the buckets of this process."""
    _buckets.clear()
