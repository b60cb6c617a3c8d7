"""Records that a contract refused, counted in memory until a thread of the process stores them, because nothing else
is stored of them.

A process that is killed loses the counts since the last time, half a second.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db import Error, connection
from django.utils import timezone

from predictions.models import HourlyRefusal, hour_of
from predictions.monitoring import counts
from training.models import Version

COLUMNS = ("hour", "version_id", "code", "shard")

_lock = threading.Lock()
_waiting: Counter[tuple[datetime, int, str]] = Counter()


def add(version: int, codes: Iterable[str]) -> None:
    """Count refused records of a version, each by the code of its first error."""
    hour = hour_of(timezone.now())
    with _lock:
        _waiting.update((hour, version, code) for code in codes)


def forget() -> None:
    """Drop the counts that are not stored."""
    with _lock:
        _waiting.clear()


def flush() -> None:
    """Store the counts; they stay in memory if the database refuses them.

    Raises:
        Error: the database did not store them.
    """
    with _lock:
        waiting = _waiting.copy()
        _waiting.clear()
    if not waiting:
        return
    shard = counts.own_shard()
    try:
        # a version may have been deleted since
        known = set(Version.objects.filter(pk__in={key[1] for key in waiting}).values_list("pk", flat=True))
        keyed = {(*key, shard): number for key, number in waiting.items() if key[1] in known}
        if keyed:
            with connection.cursor() as cursor:
                cursor.execute(*counts.upsert(HourlyRefusal, COLUMNS, keyed))
    except Error:
        with _lock:
            _waiting.update(waiting)
        raise
