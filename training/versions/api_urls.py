from clfsite.core.web.urls import PK, call
from training.versions import api

urlpatterns = [
    call("versions", api.VersionList.as_view(), name="version-list"),
    call("versions/compare", api.VersionCompare.as_view(), name="version-compare"),
    call(rf"versions/{PK}", api.VersionDetail.as_view(), name="version-detail"),
    call(rf"versions/{PK}/activate", api.VersionActivate.as_view(), name="version-activate"),
]
