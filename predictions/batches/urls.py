from django.urls import path, re_path

from clfsite.core.web.urls import PK
from predictions.batches import views

urlpatterns = [
    path("batches", views.batch_list, name="batch-list"),
    path("batches/sample.csv", views.batch_sample, name="batch-sample"),
    re_path(rf"^batches/{PK}$", views.batch_detail, name="batch-detail"),
    re_path(rf"^batches/{PK}/progress$", views.batch_progress, name="batch-progress"),
    re_path(rf"^batches/{PK}/feature$", views.batch_feature, name="batch-feature"),
    re_path(rf"^batches/{PK}/start$", views.batch_start, name="batch-start"),
    re_path(rf"^batches/{PK}/resume$", views.batch_resume, name="batch-resume"),
    re_path(rf"^batches/{PK}/cancel$", views.batch_cancel, name="batch-cancel"),
    re_path(rf"^batches/{PK}/errors\.csv$", views.batch_errors, name="batch-errors"),
    re_path(rf"^batches/{PK}/result\.csv$", views.batch_result, name="batch-result"),
]
