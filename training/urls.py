"""The portal's addresses for training; numbers have at most 18 digits, which every database can compare."""

from django.urls import path, re_path

from training.datasets import views as datasets
from training.runs import views as runs
from training.versions import views as versions

app_name = "training"

urlpatterns = [
    path("datasets", datasets.dataset_list, name="dataset-list"),
    re_path(r"^datasets/(?P<pk>[0-9]{1,18})$", datasets.dataset_detail, name="dataset-detail"),
    path("runs", runs.run_list, name="run-list"),
    path("runs/new", runs.run_create, name="run-create"),
    path("runs/columns", runs.run_columns, name="run-columns"),
    path("runs/fits", runs.run_fits, name="run-fits"),
    re_path(r"^runs/(?P<pk>[0-9]{1,18})$", runs.run_detail, name="run-detail"),
    re_path(r"^runs/(?P<pk>[0-9]{1,18})/again$", runs.run_create, name="run-repeat"),
    re_path(r"^runs/(?P<pk>[0-9]{1,18})/cancel$", runs.run_cancel, name="run-cancel"),
    re_path(r"^runs/(?P<pk>[0-9]{1,18})/progress$", runs.run_progress, name="run-progress"),
    path("versions", versions.version_list, name="version-list"),
    path("versions/compare", versions.version_compare, name="version-compare"),
    re_path(r"^versions/(?P<pk>[0-9]{1,18})$", versions.version_detail, name="version-detail"),
    re_path(r"^versions/(?P<pk>[0-9]{1,18})/card$", versions.version_card, name="version-card"),
    re_path(
        r"^classifiers/(?P<pk>[0-9]{1,18})/history$", versions.classifier_history, name="classifier-history"
    ),
    re_path(r"^versions/(?P<pk>[0-9]{1,18})/retrain$", runs.version_retrain, name="version-retrain"),
    re_path(
        r"^versions/(?P<pk>[0-9]{1,18})/(?P<part>[a-z]+)\.joblib$",
        versions.version_artifact,
        name="version-artifact",
    ),
]
