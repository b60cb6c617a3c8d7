from django.urls import re_path

from clfsite.core.web.urls import PK
from training.archive import views

urlpatterns = [
    re_path(rf"^classifiers/{PK}/archive$", views.classifier, name="classifier-archive"),
    re_path(rf"^datasets/{PK}/archive$", views.dataset, name="dataset-archive"),
    re_path(rf"^runs/{PK}/archive$", views.run, name="run-archive"),
    re_path(rf"^versions/{PK}/archive$", views.version, name="version-archive"),
]
