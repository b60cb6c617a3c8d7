"""Bodies of requests arrive whole or are refused: half a file would be taken for a shorter one."""

from typing import Protocol

from django.core.exceptions import BadRequest


class Readable(Protocol):
    """What a WSGI server gives as `wsgi.input`."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...


class CutShort(BadRequest):
    """The caller went away, or announced more than it sent."""


class WholeBody:
    """A request's body of so many bytes; the server says that it ended, and does not compare how much came."""

    def __init__(self, stream: Readable, length: int) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, of which Django asks for no more than were announced.

        Raises:
            CutShort: the body ended before.
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
        """Return what is left of a line, at most so many bytes.

        Raises:
            CutShort: the body ended before.
        """
        line = self._stream.readline(size)
        if not line:
            raise self._cut()
        self._left -= len(line)
        return line

    def _cut(self) -> CutShort:
        return CutShort(f"the body ended {self._left:,} bytes before its Content-Length")
