from django.urls import path

from predictions.monitoring import views

urlpatterns = [path("analytics", views.analytics_page, name="analytics")]
