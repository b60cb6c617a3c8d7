"""`python -m clfsite.takeover.web granian ...`: a web process that can take over a socket, and give its own away."""

import os
import sys
from pathlib import Path
from typing import Any

from granian import cli
from granian._internal import load_target
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server import MPServer

from clfsite.core.shared_memory import FOLDER
from clfsite.takeover.door import SOCKET, WARM, Door

door = Door()


class Server(MPServer):
    """granian, listening on an inherited socket if there is one, with a door for the next server."""

    def _init_shared_socket(self) -> None:
        descriptor = os.environ.pop(SOCKET, "")
        if not descriptor:
            super()._init_shared_socket()  # type: ignore[no-untyped-call]
            return
        held: Any = self
        held._sfd = int(descriptor)
        held._shd = SocketHolder(held._sfd, False, self.backlog)  # type: ignore[call-arg]
        held._sso = None

    def serve(self, *_: object, **__: object) -> None:
        """Serve until a signal."""
        super().serve(target_loader=load)


def load(target: str) -> Any:
    """Load the application in the process that answers, and open its door."""
    application: Any = load_target(target)
    if os.environ.get(WARM):
        from predictions.serving import follower

        follower.load()
    if folder := os.environ.get(FOLDER):
        door.open(Path(folder))
    application.is_draining = lambda: door.is_draining
    return application


def main() -> None:
    """Run granian's command line."""
    cli.Server = Server  # type: ignore[attr-defined]
    # the rest is granian's own command
    del sys.argv[0]
    cli.entrypoint()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
