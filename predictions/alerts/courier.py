"""The thread of each worker that sends waiting messages, so that neither runs, batches nor pages wait for a receiver."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from clfsite.core.jobs import worker
from predictions.alerts import outbox
from predictions.alerts.models import Delivery

logger = logging.getLogger(__name__)
POLL_SECONDS = 2.0
# receivers that a worker sends to at the same time, one message each
AT_ONCE = 4

# receivers that this process is sending to
_busy: set[int] = set()
_lock = threading.Lock()


def start() -> None:
    """Start the thread; it lives as long as the worker."""
    threading.Thread(target=_run, name="courier", daemon=True).start()


def _run() -> None:
    looked_at = timezone.now() - outbox.LOOK_BACK
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="courier") as pool:
        while not worker.stopping.wait(POLL_SECONDS):
            try:
                now = timezone.now()
                outbox.collect(looked_at)
                looked_at = now - outbox.LEEWAY
                send_due(pool)
            except DatabaseError:
                logger.warning("the database does not answer; messages wait")
                time.sleep(POLL_SECONDS)
            finally:
                close_old_connections()


def send_due(pool: ThreadPoolExecutor) -> None:
    """Hand the receivers with waiting messages to the pool, but those that it is sending to."""
    with _lock:
        busy = set(_busy)
    due = Delivery.objects.due(timezone.now()).exclude(receiver__in=busy).order_by()
    for receiver in due.values_list("receiver", flat=True).distinct():
        with _lock:
            _busy.add(receiver)
        pool.submit(_send, receiver)


def _send(receiver: int) -> None:
    """Send the waiting messages to a receiver, the oldest first; a failure postpones all of them."""
    try:
        while not worker.stopping.is_set():
            due = Delivery.objects.due(timezone.now()).filter(receiver=receiver).select_related("receiver")
            delivery = due.order_by("next_at").first()
            if delivery is None:
                return
            outbox.attempt(delivery)
    except DatabaseError:
        logger.warning("the database does not answer; the message is sent when its lease ends")
    except Exception:
        logger.exception("a message could not be sent")
    finally:
        with _lock:
            _busy.discard(receiver)
        close_old_connections()


def send_now(limit: timedelta = timedelta(seconds=30)) -> None:
    """Send all messages that are due, one after the other."""
    end = time.monotonic() + limit.total_seconds()
    while time.monotonic() < end:
        delivery = Delivery.objects.due(timezone.now()).select_related("receiver").order_by("next_at").first()
        if delivery is None:
            return
        outbox.attempt(delivery)
