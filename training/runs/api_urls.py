from clfsite.core.web.urls import PK, call
from training.runs import api

urlpatterns = [
    call("runs", api.RunList.as_view(), name="run-list"),
    call(rf"runs/{PK}", api.RunDetail.as_view(), name="run-detail"),
    call(rf"runs/{PK}/resume", api.RunResume.as_view(), name="run-resume"),
    call(rf"runs/{PK}/cancel", api.RunCancel.as_view(), name="run-cancel"),
    call(rf"runs/{PK}/stop", api.RunStop.as_view(), name="run-stop"),
    call(rf"versions/{PK}/retrain", api.VersionRetrain.as_view(), name="version-retrain"),
]
