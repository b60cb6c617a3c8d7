from django.urls import path

from predictions.housekeeping import views

urlpatterns = [path("storage", views.storage, name="storage")]
