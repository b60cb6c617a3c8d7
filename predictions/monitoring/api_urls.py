from clfsite.core.web.urls import call
from predictions.monitoring import api

urlpatterns = [
    call(
        r"classifiers/(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)/live",
        api.ClassifierLive.as_view(),
        name="classifier-live",
    ),
    call(
        r"monitoring/(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)",
        api.ClassifierMonitoring.as_view(),
        name="classifier-monitoring",
    ),
]
