from django.urls import path, re_path

from clfsite.core.web.urls import PK
from training.datasets import views

urlpatterns = [
    path("datasets", views.dataset_list, name="dataset-list"),
    re_path(rf"^datasets/uploads/{PK}$", views.upload_detail, name="upload-detail"),
    re_path(rf"^datasets/{PK}$", views.dataset_detail, name="dataset-detail"),
    re_path(rf"^datasets/{PK}/changes$", views.dataset_changes, name="dataset-changes"),
]
