"""Requests to addresses that people enter: none reaches a private network, whatever it is called."""

import ipaddress
import socket
from typing import Any

import pytest
from pytest_django import Settings

from clfsite.core.errors import InvalidInput
from predictions.alerts import outgoing
from predictions.alerts.outgoing import NotSentError, check_url, is_allowed, post
from tests.support.inbox import web

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_are_refused(text: str) -> None:
    assert not is_allowed(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses_are_allowed(text: str) -> None:
    assert is_allowed(ipaddress.ip_address(text))


def test_a_setting_allows_a_network_and_no_other(settings: Settings) -> None:
    settings.CLFSITE_RECEIVER_NETWORKS = ("10.0.0.0/8", "fd00::/16")
    allowed = ["10.1.2.3", "::ffff:10.1.2.3", "fd00::5"]
    assert all(is_allowed(ipaddress.ip_address(text)) for text in allowed)
    assert not any(is_allowed(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1", "fd01::5"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://",
        "https://user@example.org/",
        "https://example.org/#a",
        "https://example.org:99999/",
        "https://example.org:0/",
        "https://exa mple.org/",
        "https://example.org\\@127.0.0.1/",
        "https://example.org/\r\nX: y",
        "https://[::1/",
    ],
)
def test_an_address_that_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="expected https"):
        check_url(url)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]"]
)
def test_no_name_of_this_machine_is_reached(host: str) -> None:
    with web() as inbox, pytest.raises(NotSentError):
        post(f"http://{host}:{inbox.port}/", b"{}", {})
    assert not inbox.requests


def test_a_name_that_also_stands_for_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, 80)) for text in ("93.184.216.34", "10.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(NotSentError, match="private network"):
        post("http://example.org/", b"{}", {})


def test_a_name_is_looked_up_once_and_its_address_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.CLFSITE_RECEIVER_NETWORKS = ("127.0.0.1/32",)
    lookups: list[Any] = []
    look_up = socket.getaddrinfo

    def once(host: str, *rest: Any, **named: Any) -> Any:
        lookups.append(host)
        # a second look-up would lead elsewhere
        return look_up("127.0.0.1" if lookups.count(host) == 1 else "127.0.0.2", *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", once)
    with web() as inbox:
        post(f"http://rebinds.example.org:{inbox.port}/x?y=1", b"{}", {"A": "b"})
    ((path, headers, body),) = inbox.requests
    assert (path, headers["a"], body) == ("/x?y=1", "b", b"{}")
    assert headers["host"] == f"rebinds.example.org:{inbox.port}"
    assert lookups.count("rebinds.example.org") == 1


def test_a_redirect_is_not_followed(settings: Settings) -> None:
    settings.CLFSITE_RECEIVER_NETWORKS = ("127.0.0.1/32",)
    with web() as inbox:
        inbox.statuses, inbox.location = [307], inbox.url("/elsewhere")
        with pytest.raises(NotSentError, match="answered 307"):
            post(inbox.url(), b"{}", {})
    assert [path for path, *_ in inbox.requests] == ["/hook"]


def test_a_receiver_that_says_nothing_is_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLFSITE_RECEIVER_NETWORKS = ("127.0.0.1/32",)
    monkeypatch.setattr(outgoing, "WHOLE_SECONDS", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(NotSentError, match="connection failed"),
    ):
        post(f"http://127.0.0.1:{silent.getsockname()[1]}/", b"{}", {})


def test_a_port_where_nobody_listens_is_told_without_the_address(settings: Settings) -> None:
    settings.CLFSITE_RECEIVER_NETWORKS = ("127.0.0.1/32",)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NotSentError) as refused:
        post(f"http://127.0.0.1:{port}/secret", b"{}", {})
    assert str(refused.value) == "no connection to the receiver"
