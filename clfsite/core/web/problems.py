"""The only place that converts errors to responses: RFC 9457 problem documents for callers, pages for people."""

import logging
import math
import sys
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.settings import api_settings

from clfsite.core import errors
from clfsite.core.requests import access_log
from clfsite.core.storage import database, space
from clfsite.core.web import sent_forms

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2
# most errors in a problem document, and most characters of their texts, to keep error responses small
MOST_ERRORS = 100
MOST_CHARACTERS = 40_000
STATUS: dict[type[errors.ProblemError], HTTPStatus] = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    errors.LengthRequired: HTTPStatus.LENGTH_REQUIRED,
}


def problem(
    status: int,
    detail: str,
    problems: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
    count: int = 0,
) -> HttpResponse:
    """Return a problem document. Its member `errors` has the first `problems`, its detail counts all of them."""
    listed = _first(problems or [])
    count = max(count, len(problems or []))
    if len(listed) < count:
        detail = f"{detail}; the first {len(listed):,} of {count:,} errors are listed"
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "errors": listed,
    }
    # text of a caller may contain characters that UTF-8 cannot encode
    if key := access_log.current_id():
        body["request_id"] = key
    access_log.note_errors(item.get("code", "") for item in listed)
    content = orjson.dumps(_encodable(body))
    headers = {"X-Content-Type-Options": "nosniff", **(headers or {})}
    return HttpResponse(content, status=status, content_type="application/problem+json", headers=headers)


def _first(problems: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first errors that fit into an answer."""
    listed: list[dict[str, Any]] = []
    characters = 0
    for item in problems[:MOST_ERRORS]:
        characters += sum(len(value) for value in item.values() if isinstance(value, str))
        if listed and characters > MOST_CHARACTERS:
            break
        listed.append(item)
    return listed


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """Answer any exception of an API view; DRF's EXCEPTION_HANDLER."""
    error = _passing(error) or error
    if isinstance(error, errors.ProblemError):
        retry = {"Retry-After": str(RETRY_SECONDS)} if isinstance(error, errors.Unavailable) else None
        status = STATUS.get(type(error), HTTPStatus.BAD_REQUEST)
        if not error.errors:
            access_log.note_reason(error.code)
        return problem(status, str(error), error.errors, retry, error.count)
    if isinstance(error, Http404):
        access_log.note_reason("not_found")
        return problem(HTTPStatus.NOT_FOUND, "not found")
    if isinstance(error, exceptions.APIException):
        return _drf_problem(error)
    if isinstance(error, RequestDataTooBig):
        access_log.note_reason("body_too_large")
        return problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is larger than the limit (CLFSITE_BODY_BYTES)"
        )
    if isinstance(error, SuspiciousOperation | BadRequest):
        access_log.note_reason("malformed")
        return problem(HTTPStatus.BAD_REQUEST, f"the request was refused: {error}")
    access_log.note_reason("unexpected_error")
    logger.error("unexpected error in %s", context.get("view"), exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected error; it was logged and nothing was stored")


def _passing(error: BaseException | None) -> errors.Unavailable | None:
    """The response for a full disk or a database that cannot serve, where the request itself is valid; None for other errors."""
    if space.says_full(error):
        logger.warning("a disk is full: %s", str(error).strip())
        return errors.Unavailable(space.FULL)
    if space.says_unwritable(error):
        logger.error("a folder cannot be written: %s", str(error).strip())
        return errors.Unavailable(space.UNWRITABLE)
    if reason := database.outage(error):
        logger.warning("%s: %s", reason, str(error).strip())
        return errors.Unavailable(f"{reason}, so nothing was done; try again")
    return None


def _drf_problem(error: exceptions.APIException) -> HttpResponse:
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(math.ceil(error.wait))  # type: ignore[attr-defined]
    if isinstance(error, exceptions.ValidationError):
        problems = list(_field_problems(error.detail))
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "some fields were refused", problems, headers)
    access_log.note_reason(error.default_code)
    return problem(error.status_code, str(error.detail), None, headers)


def _field_problems(detail: Any, field: str = "") -> list[dict[str, Any]]:
    """The errors of DRF's fields, each with its path: `aim.goal`, `categories.0`."""
    if isinstance(detail, dict):
        return [item for name, inner in detail.items() for item in _field_problems(inner, _path(field, name))]
    if isinstance(detail, list):
        # DRF returns errors of list items as a list of texts for one item, as mappings if they are nested
        nested = any(isinstance(inner, dict | list) for inner in detail)
        return [
            item
            for place, inner in enumerate(detail)
            for item in _field_problems(inner, _path(field, place) if nested else field)
        ]
    return [{"field": field, "code": getattr(detail, "code", "invalid"), "message": str(detail)}]


def _path(field: str, name: object) -> str:
    """An error of a whole value belongs to the path of the value."""
    if name == api_settings.NON_FIELD_ERRORS_KEY:
        return field
    return f"{field}.{name}" if field else str(name)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_encodable(inner) for inner in value]
    return value


def _wants_page(request: HttpRequest) -> bool:
    return request.path == "/" or request.path.startswith(settings.PAGES)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    access_log.note_reason("malformed")
    if _wants_page(request):
        return defaults.bad_request(request, exception)
    return problem(HTTPStatus.BAD_REQUEST, "the request was refused; check its address, host and headers")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    access_log.note_reason("permission_denied")
    if _wants_page(request):
        return render(request, "403.html", status=HTTPStatus.FORBIDDEN)
    return problem(HTTPStatus.FORBIDDEN, "permission denied")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    access_log.note_reason("not_found")
    if _wants_page(request):
        return render(request, "404.html", status=HTTPStatus.NOT_FOUND)
    return problem(HTTPStatus.NOT_FOUND, "no such address; /docs lists all addresses")


def unavailable(request: HttpRequest, error: errors.Unavailable) -> HttpResponseBase:
    """A page for an error that is temporary."""
    access_log.note_reason(error.code)
    logger.warning("%s: %s", request.path, error)
    response = render(request, "503.html", {"reason": str(error)}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


def server_error(request: HttpRequest) -> HttpResponseBase:
    """The response for an uncaught exception; Django calls this while it handles the exception."""
    if passing := _passing(sys.exc_info()[1]):
        return unavailable(request, passing) if _wants_page(request) else exception_handler(passing, {})
    access_log.note_reason("unexpected_error")
    if _wants_page(request):
        return defaults.server_error(request)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected error; it was logged")


def reading_alone(
    view: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Allow GET and HEAD of an API call, and answer other methods with a problem document, even without a CSRF token."""

    @csrf_exempt
    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponseBase:
        if request.method in {"GET", "HEAD"}:
            return view(request)
        access_log.note_reason("method_not_allowed")
        detail = f"the method {(request.method or '')[:20]} is not allowed; use GET or HEAD"
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": "GET, HEAD"})

    return checked


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """The response to a form without a valid CSRF token."""
    access_log.note_reason("csrf")
    if not _wants_page(request):
        return problem(
            HTTPStatus.FORBIDDEN, "the API key and the session's CSRF token are missing; send one of them"
        )
    # after a login in another window, the token of the page has expired; its address leads back to the form
    page = sent_forms.page_of(request)
    context = {"csrf": True, "page": page if page.startswith(sent_forms.COOKIE_PATH) else ""}
    response = render(request, "403.html", context, status=HTTPStatus.FORBIDDEN)
    sent_forms.keep(request, response)
    return response
