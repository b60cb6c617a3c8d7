"""A web process gives its listening socket away, stops accepting from it, and takes it back if nobody needs it."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clfsite.takeover.running import Handover, Running, TakeoverError, doors
from tests.support.site import ROOT, wait_for


@pytest.fixture
def folder() -> Iterator[Path]:
    # the address of a socket has at most 108 characters, which pytest's folders may exceed
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


# a web process that greets each caller
GREETER = """
import pathlib, socket, sys
from clfsite.takeover.door import Door
listener = socket.create_server(("127.0.0.1", 0))
listener.settimeout(0.05)
door = Door()
door.open(pathlib.Path(sys.argv[1]))
print(listener.getsockname()[1], flush=True)
while True:
    try:
        caller, _ = listener.accept()
    except TimeoutError:
        continue
    with caller:
        caller.sendall(b"draining" if door.is_draining else b"hello")
"""


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    """The port of a web process with a door in the folder."""
    command = [sys.executable, "-c", GREETER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.kill()


def server(folder: Path) -> Running:
    return Running(folder, os.getpid(), "127.0.0.1", 1, "", "", "")


def greeting(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
        return caller.recv(100)


def test_the_next_server_accepts_alone_until_it_hangs_up(folder: Path, port: int) -> None:
    handover = Handover(server(folder))
    (descriptor,) = handover.sockets()
    with socket.socket(fileno=descriptor) as given:
        assert given.getsockname()[1] == port
        assert greeting(port) == b"hello"
        handover.drain()
        for _ in range(5):
            # the other process would be awake by now if it had one of them
            with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
                connection = given.accept()[0]
                connection.sendall(b"from the next server")
                assert caller.recv(100) == b"from the next server"
                connection.close()
        handover.close()
        wait_for(lambda: _is_quick(port), "the process to accept again", 10)
        assert greeting(port) == b"hello"


def _is_quick(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as caller:
        try:
            return bool(caller.recv(100))
        except TimeoutError:
            return False


def test_only_doors_of_live_processes_count(folder: Path) -> None:
    (folder / f"door-{os.getpid()}").touch()
    (folder / f"door-{2**22 + 1}").touch()
    assert [path.name for path in doors(folder)] == [f"door-{os.getpid()}"]


def test_a_server_without_a_web_process_cannot_be_taken_over(folder: Path) -> None:
    with pytest.raises(TakeoverError, match="has no web process that accepts calls"):
        Handover(server(folder)).sockets()


def test_a_web_process_that_has_gone_is_named(folder: Path) -> None:
    (folder / f"door-{os.getpid()}").touch()
    with pytest.raises(TakeoverError, match=r"a web process of process \d+, .* does not answer"):
        Handover(server(folder)).sockets()
