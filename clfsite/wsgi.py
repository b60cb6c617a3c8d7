"""The WSGI entry point: `clfsite.wsgi:application`."""

import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from http.client import responses
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402  after the setup
from django.core.handlers.exception import convert_exception_to_response  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import ResolverMatch, get_resolver  # noqa: E402
from django.utils.module_loading import import_string  # noqa: E402

from clfsite.core.requests import access_log  # noqa: E402
from clfsite.core.requests.whole_body import WholeBody  # noqa: E402
from clfsite.core.web.problems import problem  # noqa: E402
from predictions.serving import follower  # noqa: E402
from predictions.serving.addresses import SCORING  # noqa: E402

WITHOUT_LENGTH = (
    "chunked bodies are not accepted because a truncated one cannot be detected; send a Content-Length"
)
_STATUS_LINES = {code: f"{code} {phrase}" for code, phrase in responses.items()}


class ServingHandler(WSGIHandler):
    """Django's handler without sessions, users, messages, CSRF tokens, page headers, signals and prefixes,
    for API calls.

    Each of them costs microseconds, as much as scoring a row. The views do not reverse URLs.
    """

    def load_middleware(self, is_async: bool = False) -> None:
        """Chain SERVING_MIDDLEWARE as Django chains MIDDLEWARE."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        handler = convert_exception_to_response(self._get_response)
        for path in reversed(settings.SERVING_MIDDLEWARE):
            handler = convert_exception_to_response(import_string(path)(handler))
        self._middleware_chain = handler

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer one request."""
        # Django's other work at the start and end of requests is only done for pages
        connection.close_if_unusable_or_obsolete()
        response: Any = self._middleware_chain(self.request_class(environ))
        response.headers["X-Content-Type-Options"] = "nosniff"
        start_response(_STATUS_LINES[response.status_code], list(response.items()))
        return [response.content]

    def _get_response(self, request: HttpRequest) -> HttpResponse:
        """Call the view without view middleware and without a transaction."""
        match = _resolve(request.path_info)
        request.resolver_match = match
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return response


@lru_cache(1_024)
def _resolve(path: str) -> ResolverMatch:
    """The view of an address; Http404 is not cached."""
    return get_resolver().resolve(path)


class Application:
    """The site: serving calls use the short handler, all others Django's handler."""

    def __init__(self) -> None:
        self.pages = WSGIHandler()
        self.serving = ServingHandler()
        # import all pages before the port is open, because the first request would wait for it
        _ = get_resolver().url_patterns

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, with the id of its call in the answer and in the log."""
        call = access_log.begin(
            environ["REQUEST_METHOD"],
            _text(environ.get("PATH_INFO", "")),
            remote=environ.get("REMOTE_ADDR", ""),
            forwarded=environ.get("HTTP_X_FORWARDED_FOR", ""),
            given_id=environ.get(access_log.META, ""),
        )

        def start(status: str, headers: list[tuple[str, str]], *details: Any) -> Any:
            access_log.end(call, int(status[:3]))
            return start_response(status, [*headers, (access_log.HEADER, call.id)], *details)

        return self._answer(environ, start)

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        follower.start()
        length = environ.get("CONTENT_LENGTH", "")
        if length.isdecimal():
            environ["wsgi.input"] = WholeBody(environ["wsgi.input"], int(length))
        elif "HTTP_TRANSFER_ENCODING" in environ:
            # for such a body, the server also reports the end if the caller disconnected
            access_log.note_reason("length_required")
            response = problem(HTTPStatus.LENGTH_REQUIRED, WITHOUT_LENGTH)
            start_response(_STATUS_LINES[response.status_code], list(response.items()))
            return [response.content]
        handler = self.serving if environ.get("PATH_INFO", "").startswith(SCORING) else self.pages
        return handler(environ, start_response)


def _text(path: str) -> str:
    """A path of WSGI, whose characters are bytes, as text."""
    return path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "replace")


application = Application()
