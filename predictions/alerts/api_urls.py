from clfsite.core.web.urls import PK, call
from predictions.alerts import api

CLASSIFIER = r"classifiers/(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]*)"

urlpatterns = [
    call("alerts", api.AlertList.as_view(), name="alert-list"),
    call(rf"alerts/{PK}", api.AlertDetail.as_view(), name="alert-detail"),
    call(rf"alerts/{PK}/acknowledge", api.AlertAcknowledge.as_view(), name="alert-acknowledge"),
    call(rf"alerts/{PK}/close", api.AlertClose.as_view(), name="alert-close"),
    call("receivers", api.ReceiverList.as_view(), name="receiver-list"),
    call(rf"receivers/{PK}", api.ReceiverDetail.as_view(), name="receiver-detail"),
    call(rf"receivers/{PK}/test", api.ReceiverTest.as_view(), name="receiver-test"),
    call(rf"receivers/{PK}/deliveries", api.ReceiverDeliveries.as_view(), name="receiver-deliveries"),
    call(rf"{CLASSIFIER}/alerts", api.AlertSettings.as_view(), name="alert-settings"),
    call(rf"{CLASSIFIER}/silences", api.SilenceList.as_view(), name="classifier-silences"),
    call(rf"silences/{PK}", api.SilenceDetail.as_view(), name="silence-detail"),
]
