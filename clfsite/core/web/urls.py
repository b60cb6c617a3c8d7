"""How addresses are written."""

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import URLPattern, re_path

# numbers have at most 18 digits, which every database can compare
PK = r"(?P<pk>\d{1,18})"


def call(pattern: str, view: Callable[..., HttpResponseBase], name: str | None = None) -> URLPattern:
    """Return the route of a program's call: it answers with and without a slash at the end, and never redirects."""
    extra: dict[str, Any] = {"name": name} if name else {}
    return re_path(rf"^{pattern}/?$", view, **extra)
