"""The servers that run on this machine, and how the next one takes the port of one over."""

import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clfsite.core.shared_memory import MEMORY, is_alive, owner
from clfsite.takeover.door import COMMAND_BYTES, DRAIN, PREFIX, SHARE

RECORD = "server.json"
# seconds for the answer of a door
ANSWER_SECONDS = 10
# seconds in which callers on kept connections make their next call, whose answer closes the connection
DRAIN_SECONDS = 2.0
# seconds that the other server may take to finish; it kills what is left before that
END_SECONDS = 30.0
POLL_SECONDS = 0.1


class TakeoverError(Exception):
    """The port could not be taken over; the running server keeps serving."""


@dataclass(frozen=True)
class Running:
    """A server of this machine and user."""

    folder: Path
    pid: int
    host: str
    port: int
    state: str
    code: str
    started_at: str

    def __str__(self) -> str:
        return f"process {self.pid}, which serves {self.code} since {self.started_at} UTC"

    @property
    def doors(self) -> list[Path]:
        """The doors of its web processes that have started."""
        return doors(self.folder)


def note(folder: Path, host: str, port: int, state: Path, code: Path) -> None:
    """Write down that this process serves a port, in its own folder."""
    record = {
        "pid": os.getpid(),
        "host": host,
        "port": port,
        "state": str(state),
        "code": str(code),
        "started_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
    }
    new = folder / f".{RECORD}"
    new.write_text(json.dumps(record))
    new.rename(folder / RECORD)


def find(port: int, besides: int = 0) -> Running | None:
    """The server of this port; None if there is none, or it belongs to another user or program.

    Args:
        besides: the id of a process that does not count.
    """
    return next((server for server in _all() if server.port == port and server.pid != besides), None)


def doors(folder: Path) -> list[Path]:
    """The doors of the live web processes of a server's folder."""
    return sorted(path for path in folder.glob(f"{PREFIX}*") if is_alive(int(path.name[len(PREFIX) :])))


class Handover:
    """The connection to the doors of a running server, from the first request for a socket to its end."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self._open = ExitStack()
        self._callers: list[socket.socket] = []

    def sockets(self) -> list[int]:
        """Its listening sockets as descriptors of this process.

        Raises:
            TakeoverError: a web process did not answer.
        """
        descriptors: list[int] = []
        try:
            for door in self.server.doors:
                caller = self._open.enter_context(socket.socket(socket.AF_UNIX))
                caller.settimeout(ANSWER_SECONDS)
                caller.connect(str(door))
                caller.sendall(SHARE)
                descriptors += socket.recv_fds(caller, COMMAND_BYTES, 1)[1]
                self._callers.append(caller)
        except OSError as error:
            self.close()
            raise TakeoverError(f"a web process of {self.server} does not answer: {error}") from error
        if not descriptors:
            self.close()
            raise TakeoverError(f"{self.server} has no web process that accepts calls")
        return descriptors

    def complete(self, meanwhile: Callable[[], None]) -> None:
        """Drain the server, wait for the calls of its connections, and end it.

        Args:
            meanwhile: called several times a second.
        """
        self.drain()
        _wait(lambda: False, DRAIN_SECONDS, meanwhile)
        with suppress(ProcessLookupError):
            os.kill(self.server.pid, signal.SIGTERM)
        _wait(lambda: not is_alive(self.server.pid), END_SECONDS, meanwhile)
        self.close()

    def drain(self) -> None:
        """Let the server accept no more connections."""
        for caller in self._callers:
            # a web process that has ended accepts nothing either
            with suppress(OSError):
                caller.sendall(DRAIN)
                caller.recv(COMMAND_BYTES)

    def close(self) -> None:
        """Hang up; a server that was not asked to end accepts connections again."""
        self._open.close()


def _wait(is_over: Callable[[], bool], seconds: float, meanwhile: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while not is_over() and time.monotonic() < until:
        meanwhile()
        time.sleep(POLL_SECONDS)


def _all() -> Iterator[Running]:
    for place in (MEMORY, tempfile.gettempdir()):
        for folder in Path(place).glob("clfsite-*"):
            pid = owner(folder)
            # the folder of another user cannot be entered
            with suppress(OSError, ValueError, TypeError, KeyError):
                record = json.loads((folder / RECORD).read_text())
                if pid == record["pid"] and is_alive(pid):
                    yield Running(folder=folder, **record)
