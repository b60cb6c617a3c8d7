"""Request bodies must be complete, because a truncated file looks like a shorter one."""

from typing import Protocol

from django.core.exceptions import BadRequest


class Readable(Protocol):
    """The type of `wsgi.input`."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...


class CutShort(BadRequest):
    """The caller disconnected, or sent less than its Content-Length."""


class WholeBody:
    """A request body that checks its length, because the server does not."""

    def __init__(self, stream: Readable, length: int) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int, /) -> bytes:
        """Return bytes; Django never reads more than the Content-Length.

        Raises:
            CutShort: the body ended early.
        """
        data = b""
        while size:
            more = self._stream.read(size)
            if not more:
                raise self._cut()
            self._left -= len(more)
            size -= len(more)
            data = data + more if data else more
        return data

    def readline(self, size: int, /) -> bytes:
        """Return the rest of a line, up to a number of bytes.

        Raises:
            CutShort: the body ended early.
        """
        line = self._stream.readline(size)
        if not line:
            raise self._cut()
        self._left -= len(line)
        return line

    def _cut(self) -> CutShort:
        return CutShort(f"the body ended {self._left:,} bytes before its Content-Length")
