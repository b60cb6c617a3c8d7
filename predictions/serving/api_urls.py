"""The site's own serving calls, its probes and its metrics."""

from clfsite.core.web.urls import call
from predictions.serving import api, health

urlpatterns = [
    call("predict", api.PredictView.as_view(), name="predict"),
    call("predict-batch", api.PredictBatchView.as_view(), name="predict-batch"),
    call("info", api.InfoView.as_view(), name="info"),
    call("health", health.ready, name="health"),
    call("health/live", health.live, name="health-live"),
    call("health/ready", health.ready, name="health-ready"),
    call("metrics", health.prometheus, name="metrics"),
]
