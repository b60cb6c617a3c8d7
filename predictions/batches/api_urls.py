from clfsite.core.web.urls import PK, call
from predictions.batches import api

urlpatterns = [
    call("batches", api.BatchList.as_view(), name="batch-list"),
    call(rf"batches/{PK}", api.BatchDetail.as_view(), name="batch-detail"),
    call(rf"batches/{PK}/start", api.BatchStart.as_view(), name="batch-start"),
    call(rf"batches/{PK}/resume", api.BatchResume.as_view(), name="batch-resume"),
    call(rf"batches/{PK}/cancel", api.BatchCancel.as_view(), name="batch-cancel"),
    call(rf"batches/{PK}/result", api.BatchResult.as_view(), name="batch-result"),
    call(rf"batches/{PK}/errors", api.BatchErrors.as_view(), name="batch-errors"),
]
