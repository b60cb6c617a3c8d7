"""Health of the process, for load balancers and operators: whether it is alive, and whether it can serve."""

import hmac
import ipaddress
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST

from clfsite.core.errors import ProblemError
from clfsite.core.jobs.models import Heartbeat
from clfsite.core.storage import database, space
from clfsite.core.web import metrics
from clfsite.core.web.problems import RETRY_SECONDS, problem, reading_alone
from predictions.log.writing import group_commit
from predictions.models import Prediction
from predictions.monitoring import gauges
from predictions.serving.live_models import live_models


def check() -> dict[str, str]:
    """The requirements of serving, each with "ok" or its problem."""
    checks = {"database": _database(), "model": "unknown", "log": "unknown"}
    if checks["database"] == "ok":
        checks |= {"model": _model(), "log": _log()}
    return checks


@reading_alone
def live(request: HttpRequest) -> HttpResponse:
    """Answer that the process is alive, without a query."""
    return JsonResponse({"status": "ok", "live": True})


@reading_alone
def ready(request: HttpRequest) -> HttpResponse:
    """Answer whether the site can serve: the database answers, a version is loaded, and the log is writable."""
    checks = check()
    is_ready = set(checks.values()) == {"ok"}
    # a full disk does not stop serving
    checks["disk"] = disk()
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    body = {"status": "ok" if is_ready else "unavailable", "live": True, "ready": is_ready, "checks": checks}
    return JsonResponse(body, status=status, headers={} if is_ready else {"Retry-After": str(RETRY_SECONDS)})


@reading_alone
def prometheus(request: HttpRequest) -> HttpResponse:
    """Metrics for callers with the metrics token."""
    if refused := metrics_problem(request.META):
        status, message = refused
        return problem(status, message, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(metrics.exposition() + gauges.exposition(), content_type=CONTENT_TYPE_LATEST)


def metrics_problem(environ: Mapping[str, Any]) -> tuple[HTTPStatus, str] | None:
    """The status and reason of a refused WSGI request for metrics; None if it is allowed.

    Requests of a proxy on this machine come from this machine, too, with or without a header for the client.
    Only the operator knows that there is no proxy, and sets CLFSITE_METRICS_OPEN.
    """
    if settings.CLFSITE_METRICS_OPEN and _is_local(environ):
        return None
    given = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
    if hmac.compare_digest(given.encode("utf-8", "surrogateescape"), settings.CLFSITE_METRICS_TOKEN.encode()):
        return None
    return HTTPStatus.UNAUTHORIZED, (
        "send the metrics token as Authorization: Bearer; it is CLFSITE_METRICS_TOKEN, or in the file metrics_token of "
        "the state folder"
    )


def _is_local(environ: Mapping[str, Any]) -> bool:
    """Return whether the call comes from this machine and has no header of a proxy."""
    if "HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ:
        return False
    try:
        return ipaddress.ip_address(environ.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def worker() -> str:
    """The state of the workers, "ok" or the problem. Serving needs no worker, so `check` does not include it."""
    try:
        if Heartbeat.objects.alive().exists():
            return "ok"
    except Error:
        return "the state of the workers is unknown because the database does not answer"
    return (
        f"no worker has sent a heartbeat in the last {Heartbeat.SILENCE.seconds} seconds: runs and batches "
        "wait until one is started "
        "(manage.py serve starts one)"
    )


def disk() -> str:
    """The state of the disk, "ok" or the problem."""
    return space.problem() or "ok"


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        unable = database.read_only()
        unsafe = "" if settings.CLFSITE_UNSAFE_DATABASE else database.unsafe_settings()
    except Error:
        return "the database does not answer"
    return unable or unsafe or "ok"


def _model() -> str:
    try:
        live_models.get()
    except ProblemError as error:
        return str(error)
    except Error:
        return "the active version cannot be read; check that the migrations are applied"
    return "ok"


def _log() -> str:
    try:
        Prediction.objects.only("id").first()
    except Error:
        return "the prediction log cannot be read; check that the migrations are applied"
    return group_commit.log.problem() or "ok"
