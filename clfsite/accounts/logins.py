"""Locks after repeated failed logins: the configuration of django-axes, and the page for locked logins."""

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

# failed logins from one address with any name; a whole office may share an address
ADDRESS_LIMIT = 50
# a network of this size usually belongs to one customer
IPV6_PREFIX = 64


class LoginHandler(AxesDatabaseHandler):  # type: ignore[misc]
    """Failed logins in the database: per name and address, and per address with a higher limit.

    A name is never locked for all addresses, because then anyone could lock out anyone.
    """

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """How near to a lock a login is, AXES_FAILURE_LIMIT being one."""
        of_pair, of_address = (
            _failures(attempts) for attempts in self.get_user_attempts(request, credentials)
        )
        return max(of_pair, of_address * settings.AXES_FAILURE_LIMIT // ADDRESS_LIMIT)

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Delete the failed logins of a name from an address, but not those of other names."""
        count, _ = self.filter_user_attempts(request, credentials)[0].delete()
        return int(count)

    def locked_until(self, request: HttpRequest, credentials: dict[str, Any] | None) -> datetime:
        """The end of the last lock on a login, if there are no further failures."""
        limits = (settings.AXES_FAILURE_LIMIT, ADDRESS_LIMIT)
        attempts = zip(self.get_user_attempts(request, credentials), limits, strict=True)
        ends = [
            rows.latest("attempt_time").attempt_time + settings.AXES_COOLOFF_TIME
            for rows, limit in attempts
            if _failures(rows) >= limit
        ]
        return max(ends, default=timezone.now())


def name_of(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """The name of a login, cut to the length of the record, because Django's form accepts longer ones."""
    typed = (credentials or {}).get("username") or request.POST.get("username", "")
    return str(typed)[: AccessAttempt._meta.get_field("username").max_length]


def address_of(request: HttpRequest) -> str:
    """The address of a login, as seen by the outermost of CLFSITE_PROXIES proxies; for IPv6 only the network.

    Values that a caller sends in X-Forwarded-For precede those of the proxies and are not trusted.
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
    return "::"  # behind a socket without addresses, all logins share one count


def locked_out(
    request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None
) -> HttpResponse:
    """The page for a locked login; it does not reveal whether the user exists."""
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
