from clfsite.core.web.urls import call
from predictions.feedback import api

urlpatterns = [
    call(r"predictions/(?P<pk>[^/]+)/feedback", api.PredictionFeedback.as_view(), name="prediction-feedback"),
    call("feedback", api.FeedbackUpload.as_view(), name="feedback"),
]
