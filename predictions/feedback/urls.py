from django.urls import path

from predictions.feedback import views

urlpatterns = [
    path("feedback", views.feedback_list, name="feedback-list"),
    path("predictions/<uuid:pk>/feedback", views.prediction_feedback, name="prediction-feedback"),
]
