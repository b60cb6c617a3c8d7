from clfsite.core.web.urls import call
from predictions.log import api

urlpatterns = [
    call("predictions", api.PredictionList.as_view(), name="prediction-list"),
    call(r"predictions/(?P<pk>[0-9a-f-]{36})", api.PredictionDetail.as_view(), name="prediction-detail"),
]
