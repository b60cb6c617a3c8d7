"""The calls of MLflow's scoring server, and under /v2 those of the Open Inference Protocol."""

from django.urls import include, path, re_path

from clfsite.core.web.urls import call
from predictions.protocols import mlflow, open_inference

_MODEL = r"models/(?P<model>[^/]+)"
_VERSION = rf"{_MODEL}/versions/(?P<version>[^/]+)"
v2 = [
    call("health/live", open_inference.LiveView.as_view()),
    call("health/ready", open_inference.ReadyView.as_view()),
    call(_MODEL, open_inference.ModelView.as_view()),
    call(rf"{_MODEL}/ready", open_inference.ModelReadyView.as_view()),
    call(rf"{_MODEL}/infer", open_inference.InferView.as_view()),
    call(_VERSION, open_inference.PinnedModelView.as_view()),
    call(rf"{_VERSION}/ready", open_inference.PinnedModelReadyView.as_view()),
    call(rf"{_VERSION}/infer", open_inference.PinnedInferView.as_view()),
]

urlpatterns = [
    call("invocations", mlflow.InvocationsView.as_view(), name="mlflow-invocations"),
    call("ping", mlflow.PingView.as_view(), name="mlflow-ping"),
    call("version", mlflow.VersionView.as_view(), name="mlflow-version"),
    call("v2", open_inference.ServerView.as_view(), name="v2"),
    path("v2/", include((v2, "v2"))),
    re_path(r"^v2/", open_inference.UnknownView.as_view()),
]
