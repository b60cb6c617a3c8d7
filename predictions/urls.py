"""The portal's addresses for answers; numbers have at most 18 digits, which every database can compare."""

from django.urls import path, re_path

from predictions.batches import views as batches
from predictions.feedback import views as feedback
from predictions.home import views as home
from predictions.keys import views as keys
from predictions.log import views as log
from predictions.monitoring import views as analytics
from predictions.report import views as reports
from predictions.serving import views as predict

app_name = "predictions"

urlpatterns = [
    path("", home.home, name="home"),
    path("predict", predict.predict, name="predict"),
    path("predict/what-if", predict.predict_what_if, name="predict-what-if"),
    path("batches", batches.batch_list, name="batch-list"),
    path("batches/sample.csv", batches.batch_sample, name="batch-sample"),
    re_path(r"^batches/(?P<pk>[0-9]{1,18})$", batches.batch_detail, name="batch-detail"),
    re_path(r"^batches/(?P<pk>[0-9]{1,18})/progress$", batches.batch_progress, name="batch-progress"),
    re_path(r"^batches/(?P<pk>[0-9]{1,18})/feature$", batches.batch_feature, name="batch-feature"),
    re_path(r"^batches/(?P<pk>[0-9]{1,18})/start$", batches.batch_start, name="batch-start"),
    re_path(r"^batches/(?P<pk>[0-9]{1,18})/cancel$", batches.batch_cancel, name="batch-cancel"),
    re_path(r"^batches/(?P<pk>[0-9]{1,18})/errors\.csv$", batches.batch_errors, name="batch-errors"),
    re_path(r"^batches/(?P<pk>[0-9]{1,18})/result\.csv$", batches.batch_result, name="batch-result"),
    path("predictions", log.prediction_list, name="prediction-list"),
    path("predictions.csv", log.prediction_export, name="prediction-export"),
    path("predictions/<uuid:pk>", log.prediction_detail, name="prediction-detail"),
    path(
        "predictions/<uuid:pk>/feedback",
        feedback.prediction_feedback,
        name="prediction-feedback",
    ),
    path("analytics", analytics.analytics_page, name="analytics"),
    re_path(
        r"^versions/(?P<pk>[0-9]{1,18})/report\.(?P<form>html|pdf)$",
        reports.version_report,
        name="version-report",
    ),
    path("feedback", feedback.feedback_list, name="feedback-list"),
    path("keys", keys.key_list, name="key-list"),
    re_path(r"^keys/(?P<pk>[0-9]{1,18})/revoke$", keys.key_revoke, name="key-revoke"),
]
