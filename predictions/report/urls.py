from django.urls import re_path

from clfsite.core.web.urls import PK
from predictions.report import views

urlpatterns = [
    re_path(rf"^versions/{PK}/report\.(?P<form>html|pdf)$", views.version_report, name="version-report")
]
