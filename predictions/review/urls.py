from django.urls import path

from predictions.review import views

urlpatterns = [
    path("review", views.review_list, name="review-list"),
    path("review/<uuid:pk>", views.review_answer, name="review-answer"),
]
