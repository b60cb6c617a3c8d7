from django.urls import path

from predictions.monitoring import views
from predictions.monitoring.evaluation import views as evaluation_views

urlpatterns = [
    path("analytics", views.analytics_page, name="analytics"),
    path("monitoring", evaluation_views.monitoring_page, name="monitoring"),
]
