from django.urls import path, re_path

from clfsite.core.web.urls import PK
from training.versions import views

urlpatterns = [
    path("versions", views.version_list, name="version-list"),
    path("versions/compare", views.version_compare, name="version-compare"),
    re_path(rf"^versions/{PK}$", views.version_detail, name="version-detail"),
    re_path(rf"^versions/{PK}/card$", views.version_card, name="version-card"),
    re_path(rf"^versions/{PK}/(?P<part>[a-z]+)\.joblib$", views.version_artifact, name="version-artifact"),
    re_path(rf"^classifiers/{PK}/history$", views.classifier_history, name="classifier-history"),
]
