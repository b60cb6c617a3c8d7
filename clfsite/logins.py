"""Locks logins out after repeated bad ones: what django-axes is told of this site, and the page that says so."""

import math
from datetime import datetime
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import pluralize
from django.utils import timezone

# bad logins from one address, under whatever names: a whole office may share it
ADDRESS_LIMIT = 50
# who has an IPv6 address has as many as this prefix holds
IPV6_PREFIX = 64


class LoginHandler(AxesDatabaseHandler):  # type: ignore[misc]
    """Bad logins in the database: of a name from an address, and of an address with more patience.

    A name is never locked for every address: that would let anybody lock anybody out.
    """

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """How near to a lock a login is, AXES_FAILURE_LIMIT being one."""
        of_pair, of_address = (
            _failures(attempts) for attempts in self.get_user_attempts(request, credentials)
        )
        return max(of_pair, of_address * settings.AXES_FAILURE_LIMIT // ADDRESS_LIMIT)

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Forget the bad logins of a name from an address, and not those of others from there."""
        count, _ = self.filter_user_attempts(request, credentials)[0].delete()
        return int(count)

    def locked_until(self, request: HttpRequest, credentials: dict[str, Any] | None) -> datetime:
        """When the last lock on a login ends, if no further bad login is counted."""
        limits = (settings.AXES_FAILURE_LIMIT, ADDRESS_LIMIT)
        attempts = zip(self.get_user_attempts(request, credentials), limits, strict=True)
        ends = [
            rows.latest("attempt_time").attempt_time + settings.AXES_COOLOFF_TIME
            for rows, limit in attempts
            if _failures(rows) >= limit
        ]
        return max(ends, default=timezone.now())


def name_of(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """The name of a login, as far as the record holds it: Django's form lets a longer one through."""
    typed = (credentials or {}).get("username") or request.POST.get("username", "")
    return str(typed)[: AccessAttempt._meta.get_field("username").max_length]


def address_of(request: HttpRequest) -> str:
    """Where a login comes from, as the nearest of CLFSITE_PROXIES proxies saw it; of IPv6 the network alone.

    What a caller writes into X-Forwarded-For stands before what the proxies add, and is not believed.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    count: int = settings.REST_FRAMEWORK["NUM_PROXIES"]  # type: ignore[assignment]
    seen = forwarded[-min(count, len(forwarded))].strip() if count else ""
    for text in (seen, request.META.get("REMOTE_ADDR", "")):
        try:
            address = ip_address(text)
        except ValueError:
            continue
        if isinstance(address, IPv6Address):
            mapped = address.ipv4_mapped
            return str(mapped or ip_network((int(address), IPV6_PREFIX), strict=False).network_address)
        return str(address)
    return "::"  # behind a socket without addresses all share one count


def locked_out(
    request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None
) -> HttpResponse:
    """The page for a login that is locked, the same whether there is such a user or not."""
    left = LoginHandler().locked_until(request, credentials) - timezone.now()
    seconds = max(math.ceil(left.total_seconds()), 1)
    minutes = math.ceil(seconds / 60)
    context = {
        "text": f"Too many failed logins from this address. Logging in is locked. Try again in {minutes} "
        f"minute{pluralize(minutes)}."
    }
    page = render(request, "registration/locked_out.html", context, status=HTTPStatus.TOO_MANY_REQUESTS)
    page["Retry-After"] = str(seconds)
    return page


def _failures(attempts: "QuerySet[AccessAttempt]") -> int:
    return sum(attempts.values_list("failures_since_start", flat=True))
