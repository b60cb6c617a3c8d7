from clfsite.core.web.urls import call
from predictions.alerts.api_urls import CLASSIFIER
from predictions.retraining import api

urlpatterns = [
    call(rf"{CLASSIFIER}/log-dataset", api.LogDataset.as_view(), name="log-dataset"),
    call(rf"{CLASSIFIER}/retraining", api.RetrainingSettings.as_view(), name="retraining"),
]
