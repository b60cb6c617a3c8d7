"""The entry point of the web server, granian with its interface RSGI: `clfsite.rsgi:application`.

Serving calls run on the event loop, see `predictions.serving.loop`; pages, administration and managing calls as ordinary
Django in threads of the same process.
"""

import asyncio
import contextvars
import io
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402  after the setup
from django.contrib.auth import get_user  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.handlers.exception import convert_exception_to_response  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.http.response import ResponseHeaders  # noqa: E402
from django.urls import ResolverMatch, get_resolver  # noqa: E402
from django.utils.module_loading import import_string  # noqa: E402
from granian._granian import RSGIHTTPProtocol as HTTPProtocol  # noqa: E402
from granian._granian import RSGIProtocolClosed as ProtocolClosed  # noqa: E402
from granian.rsgi import Scope  # noqa: E402

from clfsite.core.errors import LengthRequired  # noqa: E402
from clfsite.core.requests import access_log, bodies  # noqa: E402
from clfsite.core.requests.whole_body import WholeBody  # noqa: E402
from clfsite.core.web.deferred import deferred  # noqa: E402
from clfsite.core.web.problems import exception_handler  # noqa: E402
from clfsite.takeover.door import THREADS  # noqa: E402
from predictions.keys import service as keys  # noqa: E402
from predictions.serving import follower  # noqa: E402
from predictions.serving.loop import Serving, match_of  # noqa: E402

# bytes; a page's body is read before it takes a thread, or in pieces by its thread if it is larger
SHORT = 1024**2
# bytes; answers of unknown length are sent in pieces of at least this size
PIECE = 64 * 1024

Headers = list[tuple[str, str]]
JSON = ("Content-Type", "application/json")
NO_SNIFF = ("X-Content-Type-Options", "nosniff")


class Application:
    """The site as the server calls it."""

    def __init__(self) -> None:
        self._pages = WSGIHandler()
        self._checks = _checks()
        # tells whether every answer has to close its connection, because another server accepts new ones
        self.is_draining: Callable[[], bool] = lambda: False
        # import all pages before the port is open, because the first request would wait for it
        _ = get_resolver().url_patterns

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the process; called once by the server, before the first request."""
        self.start(loop)
        # the database may not answer, which must not delay the calls that do not need it
        threading.Thread(target=follower.start, name="start", daemon=True).start()
        self._serving.open()
        access_log.lines.start(loop)
        deferred.start(loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the process; called once by the server, after the last answer."""
        access_log.lines.flush()
        deferred.flush()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer on a loop, with threads for what takes long."""
        self._loop = loop
        threads = int(os.environ.get(THREADS, "16"))
        self._threads = ThreadPoolExecutor(threads, "call")
        # for uploads and downloads, which take as long as the caller's network
        self._long_threads = ThreadPoolExecutor(threads, "long call")
        self._serving = Serving(loop, self._threads)
        self._bodies = bodies.Reader(loop, settings.CLFSITE_BODY_SECONDS, settings.CLFSITE_BODIES_PER_ADDRESS)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request, with the id of its call in the answer and in the log."""
        environ = environ_of(scope)
        call = access_log.begin(
            scope.method,
            scope.path,
            remote=environ["REMOTE_ADDR"],
            forwarded=environ.get("HTTP_X_FORWARDED_FOR", ""),
            given_id=environ.get(access_log.META, ""),
        )
        more: Headers = [(access_log.HEADER, call.id)]
        if self.is_draining():
            more.append(("Connection", "close"))
        with suppress(ProtocolClosed):
            if match := match_of(scope.path):
                status, headers, content = await self._serve(match, call, environ, scope, protocol)
                access_log.end(call, status)
                protocol.response_bytes(status, [*headers, *more], content)
            else:
                await self._page(call, environ, more, scope, protocol)

    async def _serve(
        self,
        match: ResolverMatch,
        call: access_log.Call,
        environ: dict[str, Any],
        scope: Scope,
        protocol: HTTPProtocol,
    ) -> tuple[int, Iterable[tuple[str, str]], bytes]:
        """Answer a serving call, which needs no session, no user and no page headers."""
        request = ServingRequest(environ, scope.path)
        # what the middleware refuses or adds depends on the request alone
        checked = self._checks(request)
        checked.headers.setdefault(*NO_SNIFF)
        if not isinstance(checked, Passed):
            return checked.status_code, checked.items(), checked.content
        answer = await self._serving.answer(
            match,
            request,
            lambda: self._bodies.read(scope, protocol, settings.CLFSITE_BODY_BYTES, call.address),
        )
        if not isinstance(answer, HttpResponse):
            return HTTPStatus.OK, [JSON, *checked.items()], answer
        for name, value in checked.items():
            answer.headers[name] = value
        return answer.status_code, answer.items(), answer.content

    async def _page(
        self,
        call: access_log.Call,
        environ: dict[str, Any],
        more: Headers,
        scope: Scope,
        protocol: HTTPProtocol,
    ) -> None:
        """Answer everything else in a thread, which waits for no caller unless it is one for what takes long."""
        context = contextvars.copy_context()
        try:
            is_long = await self._take_body(context, call, environ, scope, protocol)
        except Exception as error:  # noqa: BLE001  answered like that of a serving call
            refusal = exception_handler(error, {})
            access_log.end(call, refusal.status_code)
            protocol.response_bytes(refusal.status_code, [*refusal.items(), *more], refusal.content)
            return
        threads = self._long_threads if is_long else self._threads
        response, headers, content = await self._loop.run_in_executor(
            threads, context.run, self._run, environ
        )
        access_log.end(call, response.status_code)
        headers += more
        if content is not None:
            protocol.response_bytes(response.status_code, headers, content)
        else:
            await self._loop.run_in_executor(
                self._long_threads, context.run, self._stream, response, headers, protocol
            )

    async def _take_body(
        self,
        context: contextvars.Context,
        call: access_log.Call,
        environ: dict[str, Any],
        scope: Scope,
        protocol: HTTPProtocol,
    ) -> bool:
        """Put the body into the environment as a file for Django, and return whether its thread has to wait for it.

        Raises:
            LengthRequired: Django cannot tell the end of such a body from a disconnected caller. See also `bodies.read`.
        """
        length = environ["CONTENT_LENGTH"]
        if not length and "HTTP_TRANSFER_ENCODING" in environ:
            raise LengthRequired(
                "bodies without a Content-Length are only accepted by calls for predictions; send a Content-Length"
            )
        if int(length or 0) <= SHORT:
            body = await self._bodies.read(scope, protocol, SHORT, call.address)
        elif await self._loop.run_in_executor(self._threads, context.run, is_known, environ):
            pieces = bodies.Pieces(protocol, self._loop, settings.CLFSITE_BODY_SECONDS)
            environ["wsgi.input"] = WholeBody(pieces, int(length))
            return True
        else:
            # a stranger could send for hours what is refused without being read
            body = b""
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        return False

    def _run(self, environ: dict[str, Any]) -> tuple[Any, Headers, bytes | None]:
        """Let Django answer: a response, its headers, and its content unless it is to be sent in pieces."""
        started: list[Headers] = []

        def started_with(_status: str, headers: Headers, *_details: Any) -> Any:
            started.append(headers)

        response: Any = self._pages(environ, started_with)
        if response.streaming and int(response.headers.get("Content-Length", SHORT)) >= SHORT:
            return response, started[0], None
        try:
            return response, started[0], b"".join(response)
        finally:
            response.close()

    def _stream(self, response: Any, headers: Headers, protocol: HTTPProtocol) -> None:
        """Send an answer in pieces, each when the caller has taken the one before."""

        async def start() -> Any:
            return protocol.response_stream(response.status_code, headers)

        async def send(piece: bytes) -> None:
            async with asyncio.timeout(settings.CLFSITE_BODY_SECONDS):
                await transport.send_bytes(piece)

        try:
            transport = asyncio.run_coroutine_threadsafe(start(), self._loop).result()
            for piece in _large(response):
                asyncio.run_coroutine_threadsafe(send(piece), self._loop).result()
        finally:
            response.close()


def _large(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces, because each takes a turn of the loop; an export has one for each row."""
    large = bytearray()
    for piece in pieces:
        large += piece
        if len(large) >= PIECE:
            yield bytes(large)
            large.clear()
    if large:
        yield bytes(large)


def environ_of(scope: Scope) -> dict[str, Any]:
    """The WSGI environment of a request, without its body."""
    environ: dict[str, Any] = {"HTTP_CONTENT_TYPE": "", "HTTP_CONTENT_LENGTH": ""}
    for name, value in scope.headers.items():
        # a name with an underscore would pass for that of a proxy
        if "_" not in name:
            key = f"HTTP_{name.upper().replace('-', '_')}"
            before = environ.get(key)
            environ[key] = f"{before}{'; ' if name == 'cookie' else ','}{value}" if before else value
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        environ[name] = environ.pop(f"HTTP_{name}")
    if scope.authority:
        # the host of an absolute request line, or of HTTP/2, replaces the header
        environ["HTTP_HOST"] = scope.authority
    host, _, port = scope.server.rpartition(":")
    environ |= {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    return environ


class ServingRequest(WSGIRequest):
    """Django's request without its stream, scripts and cookies, which take longer than reading a row."""

    def __init__(self, environ: dict[str, Any], path: str) -> None:
        self.environ = self.META = environ
        self.path = self.path_info = path
        self.method = environ["REQUEST_METHOD"]
        self.resolver_match = None
        self._read_started = False
        self._set_content_type_params(environ)  # type: ignore[attr-defined]


class Passed(HttpResponse):
    """What the middleware gets if it does not refuse a request: the headers that it adds go with the answer."""

    status_code = 0

    def __init__(self) -> None:
        self.headers = ResponseHeaders({})


def is_known(environ: dict[str, Any]) -> bool:
    """Whether a request has a valid key or comes from a person who is logged in."""
    connection.close_if_unusable_or_obsolete()
    scheme, _, key = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme:
        return scheme.lower() == "bearer" and keys.is_valid(key)
    request = WSGIRequest(environ)
    request.session = SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    return bool(get_user(request).is_authenticated)


def _checks() -> Any:
    """SERVING_MIDDLEWARE as a function that returns a refusal or `Passed`."""

    handler: Any = lambda _request: Passed()  # noqa: E731  a name for the loop
    for path in reversed(settings.SERVING_MIDDLEWARE):
        handler = convert_exception_to_response(import_string(path)(handler))
    return handler


application = Application()
