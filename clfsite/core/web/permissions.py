"""Who may call which method of an API view: a key by its scopes, a staff session by Django's permissions."""

from typing import TYPE_CHECKING

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from clfsite.core.web import metrics

if TYPE_CHECKING:  # DRF's settings import the keys, which import this, before its views are there
    from rest_framework.views import APIView

# what every role may: to see the portal, and what the API shows
LOOK = "training.view_classifier"
# what a person must be allowed to do for what a key's scope allows
PERMISSION_OF_SCOPE = {
    "read": LOOK,
    "predict": "predictions.add_prediction",
    "feedback": "predictions.add_feedback",
    "train": "training.add_run",
    "activate": "training.activate_version",
}
# what a key's scope allows, in words
SCOPES = {
    "read": "view datasets, runs, versions and the log",
    "predict": "request predictions",
    "feedback": "add true labels",
    "train": "upload tables, start and cancel runs",
    "activate": "activate versions",
}


class DenyByDefault(BasePermission):
    """A view that says nothing about who may call it is closed."""

    message = "access to this address is not configured"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return False


class HasScope(BasePermission):
    """The view's `scopes` names the scope that each method needs; a method it does not name is closed."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        scope = getattr(view, "scopes", {}).get(request.method or "")
        if scope is None:
            raise MethodNotAllowed(request.method or "")
        self.message = f"this needs the scope {scope}"
        return allows(request, scope)


def allows(request: Request, scope: str) -> bool:
    """Whether the caller's key has a scope, or the person of the session what stands for it."""
    scopes: frozenset[str] | None = getattr(request.auth, "scopes", None)
    if scopes is not None:
        if scope not in scopes:
            metrics.refused_key("scope")
        return scope in scopes
    user = request.user
    wanted = {LOOK, PERMISSION_OF_SCOPE[scope]}
    return bool(user.is_authenticated and user.is_staff and user.has_perms(wanted))
