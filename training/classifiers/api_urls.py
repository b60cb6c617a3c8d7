from clfsite.core.web.urls import call
from training.classifiers import api

urlpatterns = [
    call("classifiers", api.ClassifierList.as_view(), name="classifier-list"),
    call(
        r"classifiers/(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)",
        api.ClassifierDetail.as_view(),
        name="classifier-detail",
    ),
]
