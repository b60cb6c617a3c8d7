from django.urls import path

from predictions.serving.portal import views

urlpatterns = [
    path("predict", views.predict, name="predict"),
    path("predict/what-if", views.predict_what_if, name="predict-what-if"),
]
