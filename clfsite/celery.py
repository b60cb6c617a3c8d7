"""The Celery application: `celery -A clfsite worker --pool threads`.

Threads, because a prefork child is daemonic and joblib would silently use one core in it; a training run
gets a process of its own anyway.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")

app = Celery("clfsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
