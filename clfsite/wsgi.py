"""The WSGI entry point: `clfsite.wsgi:application`."""

import os
from collections.abc import Callable, Iterable
from typing import Any, cast

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402  after the setup
from django.core.handlers.exception import convert_exception_to_response  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler, get_script_name  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import set_script_prefix  # noqa: E402
from django.utils.module_loading import import_string  # noqa: E402

from predictions import follower  # noqa: E402

SERVING = ("/predict", "/invocations", "/v2/models/")


class ServingHandler(WSGIHandler):
    """Django with the middleware that a program's call needs: no session, user, message, CSRF token or page header."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Chain SERVING_MIDDLEWARE as Django chains MIDDLEWARE."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        handler = convert_exception_to_response(self._get_response)  # type: ignore[attr-defined]
        for path in reversed(settings.SERVING_MIDDLEWARE):
            handler = convert_exception_to_response(import_string(path)(handler))
        self._middleware_chain = handler

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer without Django's signals around a request, whose receivers here only look after connections."""
        connection.close_if_unusable_or_obsolete()
        set_script_prefix(get_script_name(environ))
        response = cast(HttpResponse, self.get_response(self.request_class(environ)))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return [response.content]


def with_known_host(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: refuse a Host that ALLOWED_HOSTS does not name, as CommonMiddleware does for pages."""

    def respond(request: HttpRequest) -> HttpResponse:
        request.get_host()
        return get_response(request)

    return respond


class Application:
    """The site: serving calls by the short way, everything else by Django's usual one."""

    def __init__(self) -> None:
        self.pages = WSGIHandler()
        self.serving = ServingHandler()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        follower.start()
        handler = self.serving if environ.get("PATH_INFO", "").startswith(SERVING) else self.pages
        return handler(environ, start_response)


application = Application()
