"""The Celery application: `celery -A clfsite worker --pool threads --concurrency 4`.

Threads, because a prefork child is daemonic and joblib would silently use one core in it; a training run
gets a process of its own anyway. Four, because a worker takes two runs and two batches at a time (`clfsite.core.jobs.worker`).
"""

import logging.config
import os
import warnings

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_ready
from django.conf import settings

# a container runs as root on purpose, and the warning would be the last line of `make run`
warnings.filterwarnings("ignore", "You're running the worker with superuser privileges")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")

app = Celery("clfsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_like_the_site(**_: object) -> None:
    """Keep Celery's own log away; CLFSITE_LOG_LEVEL and CLFSITE_LOG_FORMAT apply to workers, too."""
    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def refuse_newer_schema(**_: object) -> None:
    """End a worker whose database was migrated by a newer release."""
    # imported here because the apps are loaded later
    from django.db import Error

    from clfsite.operations import schema

    try:
        problem = schema.newer()
    except Error:
        # the worker waits for the database
        return
    if problem:
        raise SystemExit(problem)


@worker_ready.connect
def tell_metrics(**_: object) -> None:
    """Serve the metrics of a worker that is separate from the web server."""
    if settings.CLFSITE_WORKER_METRICS_PORT:
        # imported here because it needs the models, which are loaded later
        from clfsite import worker_metrics

        worker_metrics.start(settings.CLFSITE_WORKER_METRICS_HOST, settings.CLFSITE_WORKER_METRICS_PORT)
