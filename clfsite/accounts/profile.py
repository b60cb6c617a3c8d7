"""The profile page: account, permissions and password."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from clfsite.core.web.staff import StaffRequest, staff
from predictions.roles import ROLES


@sensitive_post_parameters()
@staff()
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: StaffRequest) -> HttpResponse:
    """Show the profile. A new password ends all other sessions of the person."""
    form = PasswordChangeForm(request.user, request.POST or None)
    if form.is_valid():
        update_session_auth_hash(request, form.save())
        messages.success(request, "The password was changed. You have been signed out everywhere else.")
        return redirect("profile")
    groups = request.user.groups.order_by("name").values_list("name", flat=True)
    context = {"form": form, "roles": [(name, ROLES.get(name, "")) for name in groups]}
    return render(request, "registration/profile.html", context)
