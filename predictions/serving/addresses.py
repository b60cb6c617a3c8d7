"""The addresses of the API, and their treatment by URLs, WSGI, CORS and the redirect to HTTPS.

The settings read this list, so it imports nothing of Django.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple


class Address(NamedTuple):
    """A prefix of addresses. A longer prefix in the list takes precedence."""

    path: str
    is_scoring: bool = False  # skips the middleware for pages, which costs more than scoring a row
    is_probe: bool = False  # answers over plain HTTP, too, as load balancers ask inside the network
    is_shared: bool = True  # browsers of the origins in CLFSITE_CORS_ORIGINS may call it


ADDRESSES = (
    Address("predict", is_scoring=True),
    Address("predict-batch", is_scoring=True),
    Address("info", is_scoring=True),
    Address("invocations", is_scoring=True),
    Address("ping", is_probe=True),
    Address("version"),
    Address("v2"),
    Address("v2/health", is_probe=True),
    Address("v2/models", is_scoring=True),
    Address("health", is_probe=True, is_shared=False),
    Address("metrics", is_probe=True, is_shared=False),
    Address("api"),
)
SCORING = tuple(f"/{address.path}" for address in ADDRESSES if address.is_scoring)


def pattern(paths: Iterable[str]) -> str:
    """Return a regular expression for these paths, without the first slash, and everything below them."""
    return rf"({'|'.join(re.escape(path) for path in paths)})(/|$)"


PROBES = rf"^{pattern(address.path for address in ADDRESSES if address.is_probe)}"
SHARED = rf"^/{pattern(address.path for address in ADDRESSES if address.is_shared)}"
