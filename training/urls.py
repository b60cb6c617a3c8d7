"""The portal's pages about training."""

from django.urls import include, path

app_name = "training"

urlpatterns = [
    path("", include("training.datasets.urls")),
    path("", include("training.sources.urls")),
    path("", include("training.runs.urls")),
    path("", include("training.versions.urls")),
    path("", include("training.archive.urls")),
]
