"""URL patterns."""

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import URLPattern, re_path

# at most 18 digits, which all databases can compare
PK = r"(?P<pk>\d{1,18})"


def call(pattern: str, view: Callable[..., HttpResponseBase], name: str | None = None) -> URLPattern:
    """Return the route of an API call, with an optional slash at the end and without a redirect."""
    extra: dict[str, Any] = {"name": name} if name else {}
    return re_path(rf"^{pattern}/?$", view, **extra)
