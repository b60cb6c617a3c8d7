"""Keeping up with the database beside the requests: activations and keys, twice a second, in a thread of each process.

Only a web server starts it (`clfsite.wsgi`); elsewhere versions and keys are looked up when they are asked for.
"""

import logging
import os
import threading
import time

from django.db import Error, close_old_connections, connection

from predictions import keys
from predictions.live import models

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.5

_lock = threading.Lock()
_owner = 0
_looked = 0.0


def start() -> None:
    """Begin in this process, unless that was done; a fork begins anew."""
    global _owner  # noqa: PLW0603  one thread for each process
    if _owner == os.getpid():
        return
    with _lock:
        if _owner == os.getpid():
            return
        # the first look is waited for, so that the first request finds a version
        _look()
        _owner = os.getpid()
        threading.Thread(target=_run, name="follower", daemon=True).start()


def is_following() -> bool:
    return _owner == os.getpid()


def is_late() -> bool:
    """Whether the database has not been seen for too long, in a process that follows it."""
    return is_following() and time.monotonic() - _looked > keys.LATE_SECONDS


def _run() -> None:
    while True:
        time.sleep(EVERY_SECONDS)
        _look()


def _look() -> None:
    global _looked  # noqa: PLW0603
    try:
        close_old_connections()
        models.refresh()
        keys.refresh()
        _looked = time.monotonic()
    except Error as error:
        logger.warning("the database does not answer; what is loaded goes on serving: %s", str(error).strip())
        connection.close()
    except Exception:
        logger.exception("the active versions could not be looked up")
