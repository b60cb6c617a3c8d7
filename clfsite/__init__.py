"""The project: settings, addresses, the queue, and the one place that turns errors into responses."""

from clfsite.celery import app as celery_app

__all__ = ["celery_app"]
