"""Request bodies of the server: complete, in time and within their limits, or refused.

`RSGIProtocolClosed` tells that the caller disconnected before the end. The pieces of a body do not: there, one that
breaks off shows as an empty piece before the last one.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from granian._granian import RSGIHTTPProtocol as HTTPProtocol
from granian._granian import RSGIProtocolClosed as ProtocolClosed
from granian.rsgi import Scope
from rest_framework.exceptions import ErrorDetail, Throttled

from clfsite.core.errors import TooLarge, TooSlow
from clfsite.core.requests.strict_json import TOO_LARGE
from clfsite.core.requests.whole_body import CutShort

# seconds between looks for bodies that are late
LOOK_SECONDS = 0.5


class Reader:
    """Reads the bodies of one loop, each within so many seconds, and so many at a time from one address (0: no limit)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, per_address: int = 0) -> None:
        self._loop = loop
        self._seconds = seconds
        self._per_address = per_address
        # since when each task reads, and from which address; one timer looks at all of them, because one for each would
        # cost more than reading
        self._since: dict[asyncio.Task[Any], tuple[float, str]] = {}
        self._is_looking = False

    async def read(self, scope: Scope, protocol: HTTPProtocol, most: int, address: str = "") -> bytes:
        """Return a body of up to `most` bytes.

        Raises:
            TooLarge, TooSlow: more than so many bytes, or more seconds. CutShort: the caller disconnected.
            Throttled: the address sends too many bodies at the moment.
        """
        length = scope.headers.get("content-length")
        if length is None and "transfer-encoding" not in scope.headers and scope.http_version.startswith("1"):
            return b""
        if length is not None and int(length) > most:
            raise TooLarge(TOO_LARGE)
        self._check(address)
        task: Any = asyncio.current_task()
        self._since[task] = self._loop.time(), address
        if not self._is_looking:
            self._look()
        try:
            return await (_pieces(protocol, most) if length is None else protocol())
        except asyncio.CancelledError as error:
            if task in self._since:
                raise
            task.uncancel()
            raise TooSlow(
                f"the body was not complete within {self._seconds:g} s (CLFSITE_BODY_SECONDS)"
            ) from error
        except ProtocolClosed as error:
            raise CutShort("the body ended before its Content-Length") from error
        finally:
            self._since.pop(task, None)

    def _check(self, address: str) -> None:
        if not 0 < self._per_address <= len(self._since):
            return
        if sum(other == address for _, other in self._since.values()) >= self._per_address:
            error = Throttled(wait=LOOK_SECONDS)
            error.detail = ErrorDetail(
                f"{address} is sending {self._per_address} bodies already (CLFSITE_BODIES_PER_ADDRESS); try again when one of "
                "them was answered"
            )
            raise error

    def _look(self) -> None:
        """Cancel the tasks that have read for too long, and look again if any reads."""
        late = self._loop.time() - self._seconds
        for task in [task for task, (since, _) in self._since.items() if since < late]:
            del self._since[task]
            task.cancel()
        self._is_looking = bool(self._since)
        if self._is_looking:
            self._loop.call_later(LOOK_SECONDS, self._look)


async def _pieces(protocol: HTTPProtocol, most: int) -> bytes:
    data, is_over = bytearray(), False
    async for piece in protocol:
        if is_over:
            raise CutShort("the body broke off")
        is_over = not piece
        data += piece
        if len(data) > most:
            raise TooLarge(TOO_LARGE)
    return bytes(data)


class Pieces:
    """A body of a known length as a file for a thread, which gets each piece from the loop when it needs it."""

    def __init__(self, protocol: HTTPProtocol, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._pieces = protocol.__aiter__()
        self._loop = loop
        self._seconds = seconds
        self._data = b""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end.

        Raises:
            TooSlow: there was no further piece in time.
        """
        if not self._data:
            self._data = self._wait(self._next())
        data, self._data = self._data[:size], self._data[size:]
        return data

    def readline(self, size: int, /) -> bytes:
        """Return up to `size` bytes of a line."""
        line = bytearray()
        while len(line) < size and not line.endswith(b"\n"):
            if not (more := self.read(1)):
                break
            line += more
        return bytes(line)

    async def _next(self) -> bytes:
        return bytes(await anext(self._pieces, b""))

    def _wait(self, step: Coroutine[Any, Any, bytes]) -> bytes:
        try:
            return asyncio.run_coroutine_threadsafe(
                asyncio.wait_for(step, self._seconds), self._loop
            ).result()
        except TimeoutError as error:
            raise TooSlow(
                f"no further part of the body came within {self._seconds:g} s (CLFSITE_BODY_SECONDS)"
            ) from error
