from django.urls import path, re_path

from clfsite.core.web.urls import PK
from predictions.classifiers import views

urlpatterns = [
    path("classifiers", views.classifier_list, name="classifier-list"),
    re_path(rf"^classifiers/{PK}$", views.classifier_detail, name="classifier-detail"),
]
