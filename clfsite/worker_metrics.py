"""/metrics and /health/live of a separate worker on its own port, because batches are scored and counted
there.

With `manage.py serve` no port is needed, because the web server includes the worker's metrics.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CONTENT_TYPE_LATEST

from clfsite.core.web import metrics
from predictions.serving import health

logger = logging.getLogger(__name__)


class _Silent(WSGIRequestHandler):
    """A handler that does not log scrapes."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


def start(host: str, port: int) -> int:
    """Start a server thread on one address of this machine, or on all for 0.0.0.0.

    Returns:
        The port; for 0, the one that the system chose.
    """
    server = make_server(host, port, application, handler_class=_Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    logger.info("metrics are at port %s", server.server_port)
    return server.server_port


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application: /health/live, and /metrics with the same restrictions as on the web server."""
    problem = health.metrics_problem(environ)
    if environ["PATH_INFO"] == "/health/live":
        status, kind, body = HTTPStatus.OK, "text/plain", b"alive"
    elif environ["PATH_INFO"] != "/metrics":
        status, kind, body = HTTPStatus.NOT_FOUND, "text/plain", b"here are /metrics and /health/live alone"
    elif problem:
        status, kind, body = problem[0], "text/plain", problem[1].encode()
    else:
        status, kind, body = HTTPStatus.OK, CONTENT_TYPE_LATEST, metrics.exposition()
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append(("WWW-Authenticate", "Bearer"))
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
