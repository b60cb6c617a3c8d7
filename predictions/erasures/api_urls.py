from clfsite.core.web.urls import call
from predictions.erasures import api

urlpatterns = [
    call("erasures", api.ErasureList.as_view(), name="erasure-list"),
]
