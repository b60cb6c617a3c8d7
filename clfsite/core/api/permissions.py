"""Permissions of API views: scopes for a key, Django's permissions for a staff session."""

from typing import TYPE_CHECKING

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from clfsite.core.web import metrics

if TYPE_CHECKING:  # at runtime, its import would be circular
    from rest_framework.views import APIView

# permission of all roles: to see the portal and to read the API
LOOK = "training.view_classifier"
# Django permissions of a person that correspond to the scopes of a key
PERMISSION_OF_SCOPE = {
    "read": LOOK,
    "predict": "predictions.add_prediction",
    "feedback": "predictions.add_feedback",
    "train": "training.add_run",
    "activate": "training.activate_version",
}
# descriptions of the scopes
SCOPES = {
    "read": "view datasets, runs, versions and the log",
    "predict": "request predictions",
    "feedback": "add true labels",
    "train": "upload tables, start and cancel runs",
    "activate": "activate versions",
}


class DenyByDefault(BasePermission):
    """A view without permissions is closed."""

    message = "access to this address is not configured"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return False


class HasScope(BasePermission):
    """The view's `scopes` maps each method to its scope; other methods are closed."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        scope = getattr(view, "scopes", {}).get(request.method or "")
        if scope is None:
            raise MethodNotAllowed(request.method or "")
        self.message = f"this needs the scope {scope}"
        return allows(request, scope)


def allows(request: Request, scope: str) -> bool:
    """Whether the caller's key has a scope, or the person of the session the corresponding permissions."""
    scopes: frozenset[str] | None = getattr(request.auth, "scopes", None)
    if scopes is not None:
        if scope not in scopes:
            metrics.refused_key("scope")
        return scope in scopes
    user = request.user
    wanted = {LOOK, PERMISSION_OF_SCOPE[scope]}
    return bool(user.is_authenticated and user.is_staff and user.has_perms(wanted))
