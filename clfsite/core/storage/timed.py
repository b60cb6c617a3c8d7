"""Reading local files with a time limit, because a failing disk or an unreachable network folder never answers."""

import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from clfsite.core.errors import Unavailable

# for each piece of a file
READ_SECONDS = 20.0
PIECE_BYTES = 1024 * 1024

Result = TypeVar("Result")


class TimedFile(io.RawIOBase):
    """A file to read from a descriptor, which it closes."""

    def __init__(self, descriptor: int, name: str, seconds: float = READ_SECONDS) -> None:
        self._descriptor, self._name, self._seconds = descriptor, name, seconds

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Read one piece.

        Raises:
            Unavailable: that took too long.
        """
        size = min(len(buffer), PIECE_BYTES)
        # a late answer must not reach a buffer that has another use by then
        data = within(lambda: os.read(self._descriptor, size), self._name, self._seconds)
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self._descriptor, offset, whence)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def within(work: Callable[[], Result], name: str, seconds: float = READ_SECONDS) -> Result:
    """Return the result of some work on a file. It has a thread of its own, which is left behind when time is over.

    Raises:
        Unavailable: the work took too long.
    """
    result: Future[Result] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised by the thread that waits
            result.set_exception(error)

    threading.Thread(target=run, name=f"read {name}", daemon=True).start()
    wait([result], seconds)
    if not result.done():
        raise Unavailable(
            f"{name} could not be read within {seconds:g} s; check the disk or the network folder, and try again"
        )
    return result.result()
