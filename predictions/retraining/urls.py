from django.urls import re_path

from clfsite.core.web.urls import PK
from predictions.retraining import views

urlpatterns = [
    re_path(rf"^classifiers/{PK}/retraining$", views.retraining, name="retraining"),
    re_path(rf"^classifiers/{PK}/log-dataset$", views.log_dataset, name="log-dataset"),
]
