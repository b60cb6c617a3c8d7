"""Access to the portal's pages: members of staff with a role, and the permission of an action."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeAlias, cast

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_htmx.http import HttpResponseClientRefresh
from django_htmx.middleware import HtmxDetails

from clfsite.core.api.permissions import LOOK
from clfsite.core.errors import Unavailable
from clfsite.core.web import sent_forms
from clfsite.core.web.problems import unavailable

P = ParamSpec("P")


class StaffRequest(HttpRequest):
    """The request of a view behind `staff`."""

    user: User
    htmx: HtmxDetails


StaffView: TypeAlias = Callable[Concatenate[StaffRequest, P], HttpResponseBase]
AnyView: TypeAlias = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def staff(*, needs: str = "", to_post: str = "") -> Callable[[StaffView[P]], AnyView[P]]:
    """Restrict a page to members of staff with a role; others are sent to the login or get 403.

    Args:
        needs: an additional permission for the page.
        to_post: an additional permission for POST.
    """

    def decorate(view: StaffView[P]) -> AnyView[P]:
        @wraps(view)
        def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_login(cast(StaffRequest, request))
            wanted = [LOOK, needs] if request.method in sent_forms.READING else [LOOK, needs, to_post]
            if not request.user.is_staff or not request.user.has_perms(filter(None, wanted)):
                raise PermissionDenied
            try:
                response = view(cast(StaffRequest, request), *args, **kwargs)
            except Unavailable as error:
                return unavailable(request, error)
            sent_forms.forget_kept(request, response)
            return response

        return cast(AnyView[P], checked)

    return decorate


def _to_login(request: StaffRequest) -> HttpResponseBase:
    if request.htmx:
        # a fragment cannot show the login page; a reload of the whole page does
        return HttpResponseClientRefresh()
    response = redirect_to_login(sent_forms.page_of(request))
    sent_forms.keep(request, response)
    return response
