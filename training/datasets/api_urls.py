from clfsite.core.web.urls import PK, call
from training.datasets import api

urlpatterns = [
    call("datasets", api.DatasetList.as_view(), name="dataset-list"),
    call(rf"datasets/{PK}", api.DatasetDetail.as_view(), name="dataset-detail"),
    call(rf"datasets/{PK}/changes", api.DatasetChanges.as_view(), name="dataset-changes"),
]
