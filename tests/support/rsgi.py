"""Calls of the site as the web server makes them, without a socket."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from django.db import connections
from granian._granian import RSGIProtocolClosed, RSGIProtocolError

from clfsite.rsgi import Application

# bytes of a piece of a body
PIECE = 1_000


@dataclass
class Answer:
    """What the server is told to send; names of headers in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


class Protocol:
    """The body of a request, and its answer."""

    def __init__(self, body: bytes, is_cut: bool) -> None:
        self._body, self._is_cut = body, is_cut
        self._is_read = self.was_asked = False
        # seconds until the body is there
        self.delay = 0.0
        self.answer = Answer()

    async def __call__(self) -> bytes:
        self.was_asked = True
        if self.delay:
            await asyncio.sleep(self.delay)
        if self._is_cut:
            raise RSGIProtocolClosed
        return self._body

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, which the server gives once."""
        if self._is_read:
            raise RSGIProtocolError
        self._is_read = True
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        """Pieces as the server gives them: an empty one ends the body, two say that it was cut."""
        for begin in range(0, len(self._body), PIECE):
            yield self._body[begin : begin + PIECE]
        for _ in range(1 + self._is_cut):
            yield b""

    def response_bytes(self, status: int, headers: Sequence[tuple[str, str]], content: bytes) -> None:
        self.answer = Answer(status, {name.lower(): value for name, value in headers}, content)
        assert len(self.answer.headers) == len(headers), f"a header stands twice: {headers}"

    def response_stream(self, status: int, headers: Sequence[tuple[str, str]]) -> "Protocol":
        self.response_bytes(status, headers, b"")
        return self

    async def send_bytes(self, content: bytes) -> None:
        self.answer.content += content


def request(
    path: str,
    body: bytes = b"",
    *,
    method: str = "",
    headers: dict[str, str] | None = None,
    query: str = "",
    missing: int = 0,
    authority: str | None = None,
) -> tuple[Any, Protocol]:
    """A request as the server hands it over.

    Args:
        headers: names in lower case; a Content-Length is added unless the body is chunked.
        missing: bytes of the body that the caller announced and did not send.
        authority: the host of an absolute request line.
    """
    given = {"host": "localhost", **(headers or {})}
    if "transfer-encoding" not in given and body:
        given["content-length"] = str(len(body) + missing)
    scope = SimpleNamespace(
        method=method or ("POST" if body else "GET"),
        path=path,
        query_string=query,
        headers=given,
        authority=authority,
        http_version="1.1",
        scheme="http",
        server="127.0.0.1:8000",
        client="10.1.2.4:50000",
    )
    return scope, Protocol(body, missing > 0)


def ask_all(requests: Sequence[tuple[Any, Protocol]]) -> list[Answer]:
    """Ask a site that starts for these requests, which come in one turn of its loop. No thread follows the database."""

    async def call() -> None:
        application = Application()
        application.start(asyncio.get_running_loop())
        try:
            await asyncio.gather(
                *(application.__rsgi__(scope, cast("Any", protocol)) for scope, protocol in requests)
            )
        finally:
            # of the one thread that a call may have started
            application._threads.submit(connections.close_all).result()
            application._threads.shutdown()

    asyncio.run(call())
    return [protocol.answer for _, protocol in requests]


def ask(path: str, body: bytes = b"", **more: Any) -> Answer:
    """Ask a site that starts for this request; see `request`."""
    (answer,) = ask_all([request(path, body, **more)])
    return answer
