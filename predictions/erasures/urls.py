from django.urls import path

from predictions.erasures import views

urlpatterns = [
    path("erasures", views.erasure_list, name="erasure-list"),
]
