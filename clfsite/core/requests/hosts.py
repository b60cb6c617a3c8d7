"""Host names of the site: those of ALLOWED_HOSTS, and any for health probes.

A load balancer or a kubelet uses an address, or HTTP/1.0 without a host; health probes reveal no secrets.
"""

import re
from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.urls import resolve

from clfsite.core.requests import access_log

GetResponse = Callable[[HttpRequest], HttpResponse]
PROBES = re.compile(r"/(health|health/live|health/ready|ping|v2/health/live|v2/health/ready)/?")
MOST_HOSTS = 1_000
LAST_PORT = 65_535
# hosts that were checked against ALLOWED_HOSTS
_known: set[str] = set()


def answer_probes(get_response: GetResponse) -> GetResponse:
    """Middleware: answer health probes before the checks of host, session and CSRF token."""

    def respond(request: HttpRequest) -> HttpResponse:
        if not PROBES.fullmatch(request.path_info):
            return get_response(request)
        match = request.resolver_match = resolve(request.path_info)
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return response

    return respond


def with_known_host(get_response: GetResponse) -> GetResponse:
    """Middleware: refuse a Host that is not in ALLOWED_HOSTS or has an invalid port."""

    def respond(request: HttpRequest) -> HttpResponse:
        host = request.META.get("HTTP_HOST", "")
        if host not in _known:
            try:
                _check_port(request.get_host())
            except DisallowedHost:
                access_log.note_host(host)
                raise
            if host and len(_known) < MOST_HOSTS:
                _known.add(host)
        return get_response(request)

    return respond


def _check_port(host: str) -> None:
    _, port = split_domain_port(host)
    if port and not 0 < int(port[:6]) <= LAST_PORT:
        raise DisallowedHost(f"the host {host[:100]!r} has an invalid port")
