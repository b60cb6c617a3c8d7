from clfsite.core.web.urls import call
from predictions.housekeeping import api

urlpatterns = [
    call(
        r"classifiers/(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)/retention",
        api.ClassifierRetention.as_view(),
        name="classifier-retention",
    ),
]
