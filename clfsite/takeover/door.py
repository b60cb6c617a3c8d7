"""The door of a web process: a socket in the server's folder through which the next server takes its port over.

The caller sends commands. If it hangs up before this process was asked to stop, everything is as before.
"""

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

PREFIX = "door-"
# commands, and the answer to the second
SHARE, DRAIN, DONE = b"share", b"drain", b"done"
COMMAND_BYTES = 16
# variables of a web process from its supervisor: the descriptor of the socket to listen on, whether to load the models
# before it accepts connections, and the number of its threads; without the prefix of the settings, which refuse unknown
# names
SOCKET, WARM, THREADS = "LISTENING_SOCKET", "WARM_START", "WEB_THREADS"


class Door:
    """The listening sockets of this process, which the next server asks for.

    `is_draining` tells whether every answer has to close its connection, because another server accepts new ones.
    """

    def __init__(self) -> None:
        self.is_draining = False

    def open(self, folder: Path) -> None:
        """Wait for callers in a thread, at a socket in a folder that only the owner can enter."""
        path = folder / f"{PREFIX}{os.getpid()}"
        entrance = socket.socket(socket.AF_UNIX)
        # complete under its name, because the next server counts the doors
        new = path.with_name(f".{path.name}")
        entrance.bind(str(new))
        entrance.listen()
        new.rename(path)
        threading.Thread(target=self._wait, args=(entrance,), name="door", daemon=True).start()

    def _wait(self, entrance: socket.socket) -> None:
        while True:
            caller, _ = entrance.accept()
            with caller, suppress(OSError):
                self._serve(caller)

    def _serve(self, caller: socket.socket) -> None:
        """Execute the commands of a caller until it hangs up."""
        shared: dict[int, int] = {}
        try:
            while command := caller.recv(COMMAND_BYTES):
                if command == SHARE:
                    socket.send_fds(caller, [DONE], listening()[:1])
                elif command == DRAIN and not shared:
                    shared = _put_aside()
                    self.is_draining = True
                    caller.sendall(DONE)
        finally:
            self.is_draining = False
            for descriptor, kept in shared.items():
                os.dup2(kept, descriptor, inheritable=False)
                os.close(kept)


def listening() -> list[int]:
    """The descriptors of this process on which it accepts TCP connections."""
    return [descriptor for descriptor in _descriptors() if _is_listening(descriptor)]


def _put_aside() -> dict[int, int]:
    """Let this process accept from a socket that nobody can find, and return its own ones by descriptor.

    The server's event loop keeps its descriptors and its connections. The sockets stay open, as the next server
    accepts from them.
    """
    shared = {descriptor: os.dup(descriptor) for descriptor in listening()}
    with socket.socket() as nobody:
        nobody.setblocking(False)
        nobody.bind(("127.0.0.1", 0))
        nobody.listen()
        for descriptor in shared:
            os.dup2(nobody.fileno(), descriptor, inheritable=False)
    return shared


def _descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/dev/fd")]


def _is_listening(descriptor: int) -> bool:
    try:
        copy = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        # not a socket, or the one with which the folder was listed
        return False
    with copy:
        return copy.family in {socket.AF_INET, socket.AF_INET6} and bool(
            copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        )
