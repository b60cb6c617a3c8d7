"""All URLs of the features: the API at the root, pages under /portal/."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from clfsite import help
from clfsite.accounts import profile
from clfsite.api_docs import Schema
from clfsite.core.web import problems
from clfsite.core.web.urls import call

admin.site.site_header = admin.site.site_title = "clfsite administration"
admin.site.site_url = "/portal/"

api: list[URLPattern | URLResolver] = [
    call("schema", Schema.as_view(), name="schema"),
    path("", include("training.datasets.api_urls")),
    path("", include("training.runs.api_urls")),
    path("", include("training.classifiers.api_urls")),
    path("", include("training.versions.api_urls")),
    path("", include("predictions.monitoring.api_urls")),
    path("", include("predictions.log.api_urls")),
    path("", include("predictions.batches.api_urls")),
    path("", include("predictions.feedback.api_urls")),
    path("", include("predictions.alerts.api_urls")),
    path("", include("predictions.erasures.api_urls")),
    path("", include("predictions.housekeeping.api_urls")),
    path("", include("predictions.retraining.api_urls")),
]

urlpatterns = [
    path("", include("predictions.serving.api_urls")),
    path("", include("predictions.protocols.api_urls")),
    path("api/", include((api, "api"))),
    call("docs", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
    path("", RedirectView.as_view(pattern_name="predictions:home")),
    path("accounts/login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("portal/profile", profile.profile, name="profile"),
    re_path(r"^help/(?P<page>[A-Za-z0-9/-]*)$", help.show, name="help"),
    path("portal/", include("predictions.urls")),
    path("portal/", include("training.urls")),
    path("admin/", admin.site.urls),
]

handler400 = problems.bad_request
handler403 = problems.permission_denied
handler404 = problems.page_not_found
handler500 = problems.server_error
