from django.urls import path, re_path

from clfsite.core.web.urls import PK
from predictions.keys import views

urlpatterns = [
    path("keys", views.key_list, name="key-list"),
    re_path(rf"^keys/{PK}/revoke$", views.key_revoke, name="key-revoke"),
]
