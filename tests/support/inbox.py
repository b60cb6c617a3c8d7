"""Real receivers of messages on this machine: a web server and a mail server, each in a thread."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Web:
    """What a web server was sent.

    Attributes:
        statuses: the answers to the next requests, after which it answers 200.
        seconds: how long it takes to answer.
    """

    port: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    location: str = ""
    seconds: float = 0.0

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def web() -> Iterator[Web]:
    """A web server."""
    inbox = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            inbox.requests.append((self.path, headers, body))
            time.sleep(inbox.seconds)
            self.send_response(inbox.statuses.pop(0) if inbox.statuses else 200)
            if inbox.location:
                self.send_header("Location", inbox.location)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        inbox.port = server.server_address[1]
        with _serving(server):
            yield inbox


@dataclass
class Mail:
    """What a mail server was sent; if `refuses`, it takes no mail."""

    port: int = 0
    messages: list[Message] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuses: bool = False


@contextmanager
def mail() -> Iterator[Mail]:
    """A mail server that speaks as much SMTP as a message takes."""
    inbox = Mail()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 ready")
            while line := self.rfile.readline().decode().strip():
                verb = line[:4].upper()
                if verb == "DATA":
                    self._say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    inbox.messages.append(message_from_bytes(b"".join(lines)))
                    self._say("250 taken")
                elif verb == "RCPT":
                    inbox.recipients.append(line.partition("<")[2].rstrip(">"))
                    self._say("250 known")
                else:
                    refused = inbox.refuses and verb == "MAIL"
                    self._say("451 later" if refused else "221 bye" if verb == "QUIT" else "250 done")

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        inbox.port = server.server_address[1]
        with _serving(server):
            yield inbox


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
