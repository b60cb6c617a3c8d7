"""Chores: work that one worker of the site does daily or weekly, beside the jobs.

A chore that its worker left behind is begun again, so it has to go on where it was.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import close_old_connections

from clfsite.core.jobs.models import Chore

logger = logging.getLogger(__name__)
# whether to stop, because the worker ends
Stop = Callable[[], bool]
Work = Callable[[Stop], dict[str, Any] | None]

# seconds after the start of a worker before its first look, and between two looks
FIRST_SECONDS, EVERY_SECONDS = 600.0, 300.0
_chores: dict[str, tuple[timedelta, Work]] = {}


def every(name: str, interval: timedelta, work: Work) -> None:
    """Register a chore.

    Args:
        work: does it and returns the result to store, or None if it was stopped before its end.
    """
    _chores[name] = interval, work


def do_due(is_stopping: Stop) -> None:
    """Do all chores that are due and that no other worker has begun."""
    for name, (interval, work) in _chores.items():
        if is_stopping() or not Chore.objects.claim(name, interval):
            continue
        result = work(is_stopping)
        if result is not None:
            Chore.objects.note(name, result)


def keep_doing(stopping: threading.Event) -> None:
    """Look for due chores until the worker stops."""
    pause = FIRST_SECONDS
    while not stopping.wait(pause):
        pause = EVERY_SECONDS
        try:
            do_due(stopping.is_set)
        except Exception:
            # the next attempt follows after some hours
            logger.exception("a chore was not finished")
        finally:
            close_old_connections()
