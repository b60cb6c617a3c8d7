"""What the site answers at."""

from collections.abc import Iterator
from typing import Any

from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, get_resolver


def routes(patterns: Any = None, space: str = "", prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name of every route, empty where it has none, and its address."""
    for entry in patterns or get_resolver().url_patterns:
        whole = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield f"{space}{entry.name}" if entry.name else "", simplify_regex(whole)
        else:
            inner = f"{entry.namespace}:" if entry.namespace else space
            yield from routes(entry.url_patterns, inner, whole)


def portal_names() -> set[str]:
    """Return the names of the portal's pages."""
    return {name for name, _ in routes() if name.startswith(("predictions:", "training:"))}
