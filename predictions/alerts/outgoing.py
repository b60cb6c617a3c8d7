"""Requests to addresses that people enter: only to public networks, or to those that a setting allows.

The address that a name stands for is looked up once, checked, and connected to, so that a name cannot stand for another
one after the check. Redirects are answers like others.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from clfsite.core.errors import InvalidInput

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# seconds: of each step, and of the whole request
STEP_SECONDS, WHOLE_SECONDS = 10.0, 20.0
# bytes of an answer that are read
MOST_READ = 1_000
# addresses of a name that are tried
MOST_TRIED = 3
# the public network of translated IPv4 addresses
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# IPv6 networks whose addresses contain an IPv4 address, in the bits before the last so many
_TRANSLATED = (
    (_NAT64, 0),
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)


class NotSentError(Exception):
    """The receiver did not take the message; says why, without the address."""


def check_url(url: str) -> SplitResult:
    """Return the parts of a receiver's URL.

    Raises:
        InvalidInput: it is not http or https, or has a login or a fragment.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput("the address is not a URL; expected https://host/path") from error
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or not url.isascii()
        or not url.isprintable()
    ):
        raise InvalidInput("the address is not a URL; expected https://host/path")
    if " " in url or "\\" in url or parts.username is not None or parts.fragment or port == 0:
        raise InvalidInput(
            "the address has a login, a fragment, a space or an invalid port; expected https://host/path"
        )
    return parts


def is_allowed(address: Address) -> bool:
    """Whether the site may connect to an address: it is public, or a setting allows it.

    An IPv4 address within an IPv6 address is judged as itself.
    """
    inner = _within(address)
    allowed = map(ipaddress.ip_network, settings.CLFSITE_RECEIVER_NETWORKS)
    if any(_contains(network, item) for network in allowed for item in (address, inner)):
        return True
    is_translated = isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address in _NAT64)
    return _is_public(inner) and bool(is_translated or _is_public(address))


def post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Send a body.

    Raises:
        InvalidInput: see `check_url`. NotSentError: no connection, a network that is not allowed, or an answer but 2xx.
    """
    parts = check_url(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connected = _connect(parts.hostname or "", port)
    timer = threading.Timer(WHOLE_SECONDS, _cut, [connected])
    timer.daemon = True
    timer.start()
    try:
        _send(connected, parts, body, headers)
    except (OSError, http.client.HTTPException) as error:
        raise NotSentError(f"the connection failed: {type(error).__name__}") from error
    finally:
        timer.cancel()
        connected.close()


def _send(connected: socket.socket, parts: SplitResult, body: bytes, headers: Mapping[str, str]) -> None:
    host = parts.hostname or ""
    connection = http.client.HTTPConnection(host, timeout=STEP_SECONDS)
    if parts.scheme == "https":
        connected = ssl.create_default_context().wrap_socket(connected, server_hostname=host)
    connection.sock = connected
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        named = f"[{host}]" if ":" in host else host
        with_port = named if parts.port is None else f"{named}:{parts.port}"
        connection.request("POST", target, body, {"Host": with_port, "User-Agent": "clfsite", **headers})
        answer = connection.getresponse()
        answer.read(MOST_READ)
    finally:
        connected.close()
    if not 200 <= answer.status < 300:  # noqa: PLR2004
        raise NotSentError(f"the receiver answered {answer.status}")


def _connect(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotSentError("the name of the receiver could not be looked up") from error
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    # all of them, because which one is used is not up to the person who enters the name
    if not all(is_allowed(ipaddress.ip_address(text.split("%")[0])) for text in addresses):
        raise NotSentError(
            "the address is in a private network; CLFSITE_RECEIVER_NETWORKS lists those that are allowed"
        )
    for text in addresses[:MOST_TRIED]:
        with contextlib.suppress(OSError):
            return socket.create_connection((text, port), timeout=STEP_SECONDS)
    raise NotSentError("no connection to the receiver")


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _within(address: Address) -> Address:
    """The IPv4 address within an IPv6 address, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    for network, shift in _TRANSLATED:
        if address in network and int(address) > 1:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
    return address.teredo[1] if address.teredo else address


def _is_public(address: Address) -> bool:
    is_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or is_local)


def _contains(network: Network, address: Address) -> bool:
    return address.version == network.version and address in network
