"""Waking a worker for a waiting row. The row is the truth, the message only a wake-up."""

import logging
from threading import Thread

from django.conf import settings
from django.db import Error
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)


def wake(task: str, job: int) -> Thread:
    """Send a task by name with one row's id, in a thread of its own: a broker that is down blocks no request.

    Returns:
        The thread; a process that ends at once joins it first.
    """
    thread = Thread(target=_send, args=(task, job), name=f"wake {task} {job}", daemon=True)
    thread.start()
    return thread


def _send(task: str, job: int) -> None:
    # imported here with Celery, which is slow to import, because many processes queue no job
    from kombu.exceptions import OperationalError

    app = import_string(settings.CLFSITE_CELERY_APP)
    try:
        app.send_task(task, args=[job])
    except (OperationalError, OSError, Error) as error:
        logger.warning("%s %s is queued; the broker could not be notified: %s", task, job, error)
