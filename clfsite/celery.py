"""The Celery application: `celery -A clfsite worker --pool threads --concurrency 4`.

Threads, because a prefork child is daemonic and joblib would silently use one core in it; a training run
gets a process of its own anyway. Four, because a worker takes two runs and two batches at a time (`clfsite.core.jobs.worker`).
"""

import logging.config
import os
import time
import warnings
from typing import Any

import django
from celery import Celery
from celery.signals import setup_logging, worker_init, worker_ready
from django.apps import apps
from django.conf import settings

# a container runs as root on purpose, and the warning would be the last line of `make run`
warnings.filterwarnings("ignore", "You're running the worker with superuser privileges")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")

logger = logging.getLogger(__name__)
# between two attempts of a starting worker to reach the database
PAUSE_SECONDS = 5.0


class SiteCelery(Celery):
    """Celery with the id of the site in all its keys, because several sites may share a Redis."""

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        return super().connection_for_read(url, **self._with_own_keys(options))

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        return super().connection_for_write(url, **self._with_own_keys(options))

    def _with_own_keys(self, options: dict[str, Any]) -> dict[str, Any]:
        if not self.conf.broker_url.startswith("redis"):
            # files in the state folder, which is the site's own
            return options
        if not apps.ready:
            # only workers load them: `celery inspect` does not
            django.setup()
        from clfsite.core.jobs import site

        own = {"global_keyprefix": f"clfsite:{site.key()}:"}
        return {**options, "transport_options": {**(options.get("transport_options") or {}), **own}}


app = SiteCelery("clfsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_like_the_site(**_: object) -> None:
    """Keep Celery's own log away; CLFSITE_LOG_LEVEL and CLFSITE_LOG_FORMAT apply to workers, too."""
    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def refuse_what_is_not_its_own(**_: object) -> None:
    """Wait for the database. End a worker whose database was migrated by a newer release, or is another site's."""
    # imported here because the apps are loaded later
    from django.db import Error

    from clfsite.core.jobs import site
    from clfsite.operations import schema

    while True:
        try:
            problem = schema.newer() or site.claim_folder()
        except Error as error:
            logger.warning("the database does not answer yet, or is not migrated: %s", str(error).strip())
            time.sleep(PAUSE_SECONDS)
        else:
            break
    if problem:
        raise SystemExit(problem)


@worker_ready.connect
def tell_metrics(**_: object) -> None:
    """Serve the metrics of a worker that is separate from the web server."""
    if settings.CLFSITE_WORKER_METRICS_PORT:
        # imported here because it needs the models, which are loaded later
        from clfsite import worker_metrics

        worker_metrics.start(settings.CLFSITE_WORKER_METRICS_HOST, settings.CLFSITE_WORKER_METRICS_PORT)
