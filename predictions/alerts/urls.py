from django.urls import path, re_path

from clfsite.core.web.urls import PK
from predictions.alerts import views

urlpatterns = [
    path("alerts", views.alert_list, name="alert-list"),
    re_path(rf"^alerts/{PK}$", views.alert_detail, name="alert-detail"),
    re_path(rf"^alerts/{PK}/acknowledge$", views.alert_acknowledge, name="alert-acknowledge"),
    re_path(rf"^alerts/{PK}/close$", views.alert_close, name="alert-close"),
    re_path(rf"^classifiers/{PK}/alerts$", views.alert_settings, name="alert-settings"),
    re_path(rf"^classifiers/{PK}/silence$", views.silence_create, name="silence-create"),
    re_path(rf"^silences/{PK}/end$", views.silence_end, name="silence-end"),
    path("receivers", views.receiver_list, name="receiver-list"),
    re_path(rf"^receivers/{PK}/test$", views.receiver_test, name="receiver-test"),
    re_path(rf"^receivers/{PK}/switch$", views.receiver_switch, name="receiver-switch"),
    re_path(rf"^receivers/{PK}/delete$", views.receiver_delete, name="receiver-delete"),
    path("messages/<uuid:pk>/again", views.message_again, name="message-again"),
]
