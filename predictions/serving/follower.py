"""Threads of each process that follow keys, activations and the state of the database, and keep counts by hour, independent
of requests.

Only a web server starts them (`clfsite.rsgi`); other processes look up versions and keys on request.
"""

import gc
import logging
import os
import threading
import time
from collections.abc import Callable

from django.db import Error, close_old_connections, connection

from clfsite.core.storage import database
from predictions.keys import service as keys
from predictions.monitoring import counts, refusals
from predictions.serving.live_models import live_models

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.5

_lock = threading.Lock()
_owner = 0
_looked = 0.0


def start() -> None:
    """Start the threads of this process once; a forked process starts its own."""
    global _owner, _looked  # noqa: PLW0603  one set of threads for each process
    if _owner == os.getpid():
        return
    with _lock:
        if _owner == os.getpid():
            return
        _looked = time.monotonic()
        prober = _thread("keys", _look_up_keys)
        _thread("watch", lambda: _cut_if_late(prober)).start()
        _look_up_keys()
        _owner = os.getpid()
        prober.start()
        # a big model takes seconds to load, which must not delay keys and pages; a request for a prediction
        # waits for the first lookup, see `LiveModels.get`
        _thread("versions", _look_up_versions, first=_load_versions).start()
        _thread("counts", _keep_counts).start()


def load() -> None:
    """Start the threads, and wait until keys and versions are loaded or the database did not answer."""
    start()
    try:
        live_models.all()
    except Error as error:
        logger.warning("the models are not loaded yet: %s", str(error).strip())


def _thread(
    name: str, work: Callable[[], None], first: Callable[[], None] = lambda: None
) -> threading.Thread:
    def run() -> None:
        first()
        while True:
            time.sleep(EVERY_SECONDS)
            work()

    return threading.Thread(target=run, name=name, daemon=True)


def _look_up_keys() -> None:
    global _looked  # noqa: PLW0603
    if _look(keys.refresh):
        _looked = time.monotonic()
        database.restore()


def _look_up_versions() -> None:
    _look(live_models.refresh)


def _keep_counts() -> None:
    _look(refusals.flush)
    _look(counts.collect)


def _load_versions() -> None:
    """Look up versions for the first time."""
    _look_up_versions()
    # the loaded objects stay, so the garbage collector need not search them: a third of the time of a long
    # batch
    gc.collect()
    gc.freeze()


def _cut_if_late(prober: threading.Thread) -> None:
    """Cut the connections if the database does not answer; only the prober keeps trying."""
    if time.monotonic() - _looked > keys.LATE_SECONDS:
        database.cut(prober)


def _look(refresh: Callable[[], None]) -> bool:
    """Return whether the database answered."""
    try:
        close_old_connections()
        refresh()
    except Error as error:
        logger.warning("the database does not answer; the loaded models keep serving: %s", str(error).strip())
        connection.close()
    except Exception:
        logger.exception("keys or versions could not be looked up, or counts not stored")
    else:
        return True
    return False
