"""Every address. Serving calls stand at the root with and without a trailing slash, and never redirect."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from clfsite import profile
from clfsite.core.web import problems
from predictions.batches import api as batches
from predictions.feedback import api as feedback
from predictions.log.api import PredictionDetail, PredictionList
from predictions.monitoring.api import ClassifierLive
from predictions.protocols import mlflow, open_inference
from predictions.serving import api as serving
from predictions.serving import health
from training.datasets.api import DatasetDetail, DatasetList
from training.runs.api import RunCancel, RunDetail, RunList, VersionRetrain
from training.versions import api as training

admin.site.site_header = admin.site.site_title = "clfsite administration"
admin.site.site_url = "/portal/"

api: list[URLPattern | URLResolver] = [
    re_path(r"^schema/?$", SpectacularAPIView.as_view(), name="schema"),
    re_path(r"^datasets/?$", DatasetList.as_view(), name="dataset-list"),
    re_path(r"^datasets/(?P<pk>\d{1,18})/?$", DatasetDetail.as_view(), name="dataset-detail"),
    re_path(r"^runs/?$", RunList.as_view(), name="run-list"),
    re_path(r"^runs/(?P<pk>\d{1,18})/?$", RunDetail.as_view(), name="run-detail"),
    re_path(r"^runs/(?P<pk>\d{1,18})/cancel/?$", RunCancel.as_view(), name="run-cancel"),
    re_path(r"^classifiers/?$", training.ClassifierList.as_view(), name="classifier-list"),
    re_path(
        r"^classifiers/(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)/live/?$",
        ClassifierLive.as_view(),
        name="classifier-live",
    ),
    re_path(r"^versions/?$", training.VersionList.as_view(), name="version-list"),
    re_path(r"^versions/compare/?$", training.VersionCompare.as_view(), name="version-compare"),
    re_path(r"^versions/(?P<pk>\d{1,18})/?$", training.VersionDetail.as_view(), name="version-detail"),
    re_path(
        r"^versions/(?P<pk>\d{1,18})/activate/?$", training.VersionActivate.as_view(), name="version-activate"
    ),
    re_path(r"^versions/(?P<pk>\d{1,18})/retrain/?$", VersionRetrain.as_view(), name="version-retrain"),
    re_path(r"^predictions/?$", PredictionList.as_view(), name="prediction-list"),
    re_path(r"^predictions/(?P<pk>[0-9a-f-]{36})/?$", PredictionDetail.as_view(), name="prediction-detail"),
    re_path(
        r"^predictions/(?P<pk>[^/]+)/feedback/?$",
        feedback.PredictionFeedback.as_view(),
        name="prediction-feedback",
    ),
    re_path(r"^batches/?$", batches.BatchList.as_view(), name="batch-list"),
    re_path(r"^batches/(?P<pk>\d{1,18})/?$", batches.BatchDetail.as_view(), name="batch-detail"),
    re_path(r"^batches/(?P<pk>\d{1,18})/start/?$", batches.BatchStart.as_view(), name="batch-start"),
    re_path(r"^batches/(?P<pk>\d{1,18})/cancel/?$", batches.BatchCancel.as_view(), name="batch-cancel"),
    re_path(r"^batches/(?P<pk>\d{1,18})/result/?$", batches.BatchResult.as_view(), name="batch-result"),
    re_path(r"^batches/(?P<pk>\d{1,18})/errors/?$", batches.BatchErrors.as_view(), name="batch-errors"),
    re_path(r"^feedback/?$", feedback.FeedbackUpload.as_view(), name="feedback"),
]

_MODEL = r"^models/(?P<model>[^/]+)"
_VERSION = rf"{_MODEL}/versions/(?P<version>[^/]+)"
v2: list[URLPattern | URLResolver] = [
    re_path(r"^health/live/?$", open_inference.LiveView.as_view()),
    re_path(r"^health/ready/?$", open_inference.ReadyView.as_view()),
    re_path(rf"{_MODEL}/?$", open_inference.ModelView.as_view()),
    re_path(rf"{_MODEL}/ready/?$", open_inference.ModelReadyView.as_view()),
    re_path(rf"{_MODEL}/infer/?$", open_inference.InferView.as_view()),
    re_path(rf"{_VERSION}/?$", open_inference.PinnedModelView.as_view()),
    re_path(rf"{_VERSION}/ready/?$", open_inference.PinnedModelReadyView.as_view()),
    re_path(rf"{_VERSION}/infer/?$", open_inference.PinnedInferView.as_view()),
]

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^predict/?$", serving.PredictView.as_view(), name="predict"),
    re_path(r"^predict-batch/?$", serving.PredictBatchView.as_view(), name="predict-batch"),
    re_path(r"^info/?$", serving.InfoView.as_view(), name="info"),
    re_path(r"^invocations/?$", mlflow.InvocationsView.as_view(), name="mlflow-invocations"),
    re_path(r"^ping/?$", mlflow.PingView.as_view(), name="mlflow-ping"),
    re_path(r"^version/?$", mlflow.VersionView.as_view(), name="mlflow-version"),
    re_path(r"^v2/?$", open_inference.ServerView.as_view(), name="v2"),
    path("v2/", include((v2, "v2"))),
    re_path(r"^v2/", open_inference.UnknownView.as_view()),
    re_path(r"^health/?$", health.ready, name="health"),
    re_path(r"^health/live/?$", health.live, name="health-live"),
    re_path(r"^health/ready/?$", health.ready, name="health-ready"),
    re_path(r"^metrics/?$", health.prometheus, name="metrics"),
    path("api/", include((api, "api"))),
    re_path(r"^docs/?$", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
    path("", RedirectView.as_view(pattern_name="predictions:home")),
    path("accounts/login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("portal/profile", profile.profile, name="profile"),
    path("portal/", include("predictions.urls")),
    path("portal/", include("training.urls")),
    path("admin/", admin.site.urls),
]

handler400 = problems.bad_request
handler403 = problems.permission_denied
handler404 = problems.page_not_found
handler500 = problems.server_error
