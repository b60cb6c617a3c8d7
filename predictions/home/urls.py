from django.urls import path

from predictions.home import views

urlpatterns = [path("", views.home, name="home")]
