from clfsite.core.web.urls import call
from predictions.feedback import api

urlpatterns = [
    call("predictions/feedback", api.ReferenceFeedback.as_view(), name="reference-feedback"),
    call(r"predictions/(?P<pk>[^/]+)/feedback", api.PredictionFeedback.as_view(), name="prediction-feedback"),
    call("feedback", api.FeedbackUpload.as_view(), name="feedback"),
]
