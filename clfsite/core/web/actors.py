"""The caller's name for histories."""

from typing import Any

from rest_framework.request import Request


def actor_of(request: Request) -> str:
    """The name for histories: the key's name or the login."""
    return request.user.get_username()


def person_of(request: Request) -> Any:
    """The logged-in user, None for a key."""
    return None if request.auth is not None else request.user
