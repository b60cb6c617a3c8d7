from django.urls import path, re_path

from clfsite.core.web.urls import PK
from training.sources import views

urlpatterns = [
    path("datasets/query", views.query_create, name="query-create"),
    re_path(rf"^datasets/{PK}/query$", views.query_again, name="query-again"),
]
