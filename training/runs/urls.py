from django.urls import path, re_path

from clfsite.core.web.urls import PK
from training.runs import views

urlpatterns = [
    path("runs", views.run_list, name="run-list"),
    path("runs/new", views.run_create, name="run-create"),
    path("runs/columns", views.run_columns, name="run-columns"),
    path("runs/fits", views.run_fits, name="run-fits"),
    re_path(rf"^runs/{PK}$", views.run_detail, name="run-detail"),
    re_path(rf"^runs/{PK}/again$", views.run_create, name="run-repeat"),
    re_path(rf"^runs/{PK}/resume$", views.run_resume, name="run-resume"),
    re_path(rf"^runs/{PK}/cancel$", views.run_cancel, name="run-cancel"),
    re_path(rf"^runs/{PK}/stop$", views.run_stop, name="run-stop"),
    re_path(rf"^runs/{PK}/progress$", views.run_progress, name="run-progress"),
    re_path(rf"^versions/{PK}/retrain$", views.version_retrain, name="version-retrain"),
]
