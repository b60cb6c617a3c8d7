from django.apps import AppConfig

# before any other app makes metrics of its own
from clfsite.core.web import metrics  # noqa: F401


class Web(AppConfig):
    name = "clfsite.core.web"
