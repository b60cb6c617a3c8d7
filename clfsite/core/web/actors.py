"""The caller's name for histories and for the log."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from clfsite.core.requests import access_log


def actor_of(request: Request) -> str:
    """The name for histories: the key's name or the login."""
    return request.user.get_username()


def person_of(request: Request) -> Any:
    """The logged-in user, None for a key."""
    return None if request.auth is not None else request.user


def name_login(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: the line of a page in the log has the login, if the page needed to know it."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # set by Django when the user is first used; using it here would read the session of every page
        if (person := getattr(request, "_cached_user", None)) and person.is_authenticated:
            access_log.name_caller(person.get_username())
        return response

    return respond
