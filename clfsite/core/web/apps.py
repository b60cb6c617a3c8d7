from django.apps import AppConfig

# before other apps create metrics
from clfsite.core.web import metrics  # noqa: F401


class Web(AppConfig):
    name = "clfsite.core.web"
