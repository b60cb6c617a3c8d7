"""The id of each call, and its line in the log: who called what, how it was answered, and how long it took.

Plain functions for any server interface: `begin` a call, `end` it with its status. Code in between names the caller
and the errors. The call is a context variable, so each thread and each task has its own. A line never has values
of a request: no query string, no body, no key.

Scoring a row takes some hundred microseconds, so a line is written past `logging`, which would double its time.
"""

import asyncio
import logging
import os
import re
import select
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import orjson
from django.conf import settings
from uuid_utils import uuid7

HEADER = "X-Request-ID"
META = "HTTP_X_REQUEST_ID"
LONGEST_ID = 64
# answers to these addresses are only logged if they report an error, because they come every few seconds
QUIET = ("/health", "/ping", "/v2/health", "/metrics", "/static/")
# most characters of a path, and most codes
MOST_PATH = 200
MOST_CODES = 8
_USABLE_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{{0,{LONGEST_ID - 1}}}", re.ASCII)
_STANDARD_ERROR = 2
_logger = logging.getLogger("clfsite.access")


class Call:
    """A call that is being answered."""

    __slots__ = ("address", "began", "caller", "codes", "host", "id", "method", "path")

    def __init__(self, method: str, path: str, address: str, given_id: str) -> None:
        self.began = time.perf_counter()
        self.id = given_id if given_id and _USABLE_ID.fullmatch(given_id) else new_id()
        self.method = method
        self.path = path
        self.address = address
        self.caller = ""
        self.host = ""
        self.codes: list[str] = []


def new_id() -> str:
    """A short id: 12 hexadecimal digits of the time, so indexes stay in order, and 8 random ones."""
    digits = uuid7().hex
    return digits[:12] + digits[-8:]


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def begin(method: str, path: str, *, remote: str, forwarded: str = "", given_id: str = "") -> Call:
    """Begin a call. It is the current one of this thread or task until it ends.

    Args:
        path: without the query string.
        remote, forwarded: the peer's address, and the header X-Forwarded-For.
        given_id: the caller's X-Request-ID. It is used if it has at most 64 characters, all of them letters, digits or
            `._:/+=@-`; otherwise the call gets a new id.
    """
    call = Call(method, path, client_address(remote, forwarded), given_id)
    _current.set(call)
    return call


@contextmanager
def on_behalf_of(key: str) -> Iterator[None]:
    """Let the lines of the log in the block have the id of the call that caused the work."""
    token = _current.set(Call("", "", "", key) if key else None)
    try:
        yield
    finally:
        _current.reset(token)


def current_id() -> str:
    """The id of the current call; empty outside of calls."""
    call = _current.get()
    return call.id if call else ""


def name_caller(name: str) -> None:
    """Record the name of the key, or the login, of the current call."""
    if call := _current.get():
        call.caller = name


def note_errors(codes: Iterable[str]) -> None:
    """Record why the current call is refused: codes of the site, never texts of the caller."""
    if call := _current.get():
        for code in codes:
            if code and code not in call.codes and len(call.codes) < MOST_CODES:
                call.codes.append(code)


def note_reason(code: str) -> None:
    """Record why the current call is refused, if nothing more precise is recorded."""
    if (call := _current.get()) and not call.codes:
        call.codes.append(code)


def note_host(host: str) -> None:
    """Record the host name of a call that is refused because the site does not have it."""
    if call := _current.get():
        call.host = host
        note_errors(["unknown_host"])


def end(call: Call, status: int) -> None:
    """Write the line of a call when its answer begins. The thread or task has no call after it."""
    _current.set(None)
    is_failure = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    level, name = (logging.WARNING, "WARNING") if is_failure else (logging.INFO, "INFO")
    if not _logger.isEnabledFor(level):
        return
    if status < HTTPStatus.BAD_REQUEST and call.path.startswith(QUIET):
        return
    milliseconds = round(1_000 * (time.perf_counter() - call.began), 2)
    write = _write_json if settings.CLFSITE_LOG_FORMAT == "json" else _write_text
    write(call, status, name, milliseconds)


def client_address(remote: str, forwarded: str) -> str:
    """The address of the client, as the outermost of CLFSITE_PROXIES proxies saw it; a caller cannot choose it."""
    count: int = settings.CLFSITE_PROXIES
    if not count or not forwarded:
        return remote
    seen = forwarded.split(",")
    return seen[-min(count, len(seen))].strip()[:45]


def _write_json(call: Call, status: int, level: str, milliseconds: float) -> None:
    line: dict[str, Any] = {
        "time": _now(),
        "level": level,
        "logger": _logger.name,
        "message": "call",
        "request_id": call.id,
        "method": _cut(call.method),
        "path": _cut(call.path),
        "status": status,
        "caller": _cut(call.caller),
        "address": _cut(call.address),
        "codes": call.codes,
        "ms": milliseconds,
    }
    if call.host:
        line["host"] = _cut(call.host)
    lines.write(orjson.dumps(line) + b"\n")


def _write_text(call: Call, status: int, level: str, milliseconds: float) -> None:
    # as JSON texts, which have no line ends and no control characters
    method, path, caller, host, address = (
        orjson.dumps(_cut(text)).decode()[1:-1]
        for text in (call.method, call.path, call.caller, call.host, call.address)
    )
    parts = [
        f"{_now()} {level} {_logger.name}: {method} {path} {status} {milliseconds:g} ms",
        f"from {address}",
        f"by {caller}" if caller else "",
        f"because of {', '.join(call.codes)}" if call.codes else "",
        f"to {host}" if host else "",
        f"id {call.id}",
    ]
    lines.write(f"{' '.join(filter(None, parts))}\n".encode())


def _now() -> str:
    """The time in ISO 8601, in UTC, to the millisecond."""
    second, fraction = divmod(time.time(), 1)
    return f"{_second(int(second))}.{int(1_000 * fraction):03}Z"


@lru_cache(1)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _cut(text: str) -> str:
    """A text of bounded length that UTF-8 can encode."""
    return (
        text
        if len(text) <= MOST_PATH and text.isascii()
        else text[:MOST_PATH].encode("utf-8", "replace").decode()
    )


class _Lines:
    """Lines on their way to the log. On an event loop, those of one turn are written together, because writing one takes as long
    as making it.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[bytes] = []

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let lines wait for the end of the turn of a loop; from now on, only its thread ends calls."""
        self._loop = loop

    def write(self, line: bytes) -> None:
        """Write a line soon."""
        if self._loop and not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(line)
        if not self._loop:
            self.flush()

    def flush(self) -> None:
        """Write the waiting lines, none of them in two pieces, so lines of several processes do not mix."""
        lines, self._waiting = self._waiting, []
        piece = b""
        for line in lines:
            if len(piece) + len(line) > select.PIPE_BUF:
                _write(piece)
                piece = b""
            piece += line
        _write(piece)


lines = _Lines()


def _write(piece: bytes) -> None:
    """Write lines; those that cannot be written are lost."""
    with suppress(OSError):
        os.write(_STANDARD_ERROR, piece)
