"""The portal's pages about predictions."""

from django.urls import include, path

app_name = "predictions"

urlpatterns = [
    path("", include("predictions.home.urls")),
    path("", include("predictions.classifiers.urls")),
    path("", include("predictions.serving.portal.urls")),
    path("", include("predictions.batches.urls")),
    path("", include("predictions.log.urls")),
    path("", include("predictions.feedback.urls")),
    path("", include("predictions.review.urls")),
    path("", include("predictions.monitoring.urls")),
    path("", include("predictions.alerts.urls")),
    path("", include("predictions.erasures.urls")),
    path("", include("predictions.retraining.urls")),
    path("", include("predictions.report.urls")),
    path("", include("predictions.keys.urls")),
    path("", include("predictions.housekeeping.urls")),
]
