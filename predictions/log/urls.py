from django.urls import path

from predictions.log import views

urlpatterns = [
    path("predictions", views.prediction_list, name="prediction-list"),
    path("predictions.csv", views.prediction_export, name="prediction-export"),
    path("predictions.parquet", views.prediction_export_parquet, name="prediction-export-parquet"),
    path("predictions/true-labels.csv", views.prediction_export_unjudged, name="prediction-export-unjudged"),
    path("predictions/<uuid:pk>", views.prediction_detail, name="prediction-detail"),
]
