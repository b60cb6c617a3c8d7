"""Pages of API keys: create, list and revoke."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import capfirst
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from clfsite.core.errors import ProblemError
from clfsite.core.web.lists import sorted_by
from clfsite.core.web.sent_forms import form_data, send_once
from clfsite.core.web.staff import StaffRequest, staff
from predictions.classifiers import calls
from predictions.keys import service as keys
from predictions.keys.forms import KeyForm
from predictions.models import ApiKey

PER_PAGE = 25
SORTS = {
    "name": ["name"],
    "created": ["id"],
    "used": ["last_used_at"],
    "expires": ["expires_at"],
}


@never_cache
@staff(needs="predictions.view_apikey", to_post="predictions.add_apikey")
@require_http_methods(["GET", "HEAD", "POST"])
def key_list(request: StaffRequest) -> HttpResponse:
    """All keys, and the form for a new key. Only the response to the form shows the key itself."""
    form = KeyForm(form_data(request))
    made = _create(request, form) if request.method == "POST" and form.is_valid() else None
    sort, rows = sorted_by(ApiKey.objects.all(), request, SORTS, first="-created")
    context = {
        "form": KeyForm() if made else form,
        "made": made,
        "snippets": calls.of_page(request, key=made[1]) if made and "predict" in made[0].scopes else [],
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "sort": sort,
    }
    return render(request, "predictions/keys/key_list.html", context)


def _create(request: StaffRequest, form: KeyForm) -> tuple[ApiKey, str] | None:
    """Return the row and the key, or None if the form has errors."""
    data, made = form.cleaned_data, list[tuple[ApiKey, str]]()

    def create() -> str:
        made.append(
            keys.create(
                name=data["name"],
                scopes=data["scopes"],
                expires_in=form.life,
                rate=data["rate"],
                actor=request.user.get_username(),
            )
        )
        return request.path

    try:
        send_once(request, create)
    except ProblemError as error:
        form.add_error(None, capfirst(str(error)))
        return None
    if not made:
        form.add_error(
            None,
            "This form was already sent and its key is in the list. A key is shown only once; create "
            "another one if you do not have it.",
        )
        return None
    return made[0]


@staff(needs="predictions.view_apikey", to_post="predictions.change_apikey")
@require_POST
def key_revoke(request: StaffRequest, pk: str) -> HttpResponse:
    """Revoke a key."""
    key = get_object_or_404(ApiKey, pk=pk)
    if keys.revoke([key], actor=request.user.get_username()):
        messages.success(request, f"{key} was revoked. It stops working within 5 seconds.")
    else:
        messages.info(request, f"Nothing was changed: {key} is already revoked.")
    return redirect("predictions:key-list")
