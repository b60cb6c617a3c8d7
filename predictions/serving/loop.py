"""Serving calls on an event loop: enter, read the body, answer. Only complete bodies take a thread, if any.

A step that needs the database leaves the loop: Django refuses queries on a loop, and the step is repeated in a thread.
So do large bodies, and calls with an Idempotency-Key, whose answer is stored in the transaction of its predictions.
"""

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, TypeVar

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import ResolverMatch, get_resolver

from clfsite.core.storage import database
from predictions.keys.service import KeyCaller
from predictions.serving import idempotency, metrics
from predictions.serving.addresses import SCORING
from predictions.serving.api import ScoringView, ServingView, as_json
from predictions.serving.batcher import Batcher

# bytes; larger bodies take more than about a millisecond to read and to check
QUICK_BYTES = 32_768
# how long the short body of a refused call is waited for
REFUSED_SECONDS = 1.0
T = TypeVar("T")
Read = Callable[[], Awaitable[bytes]]


class Serving:
    """The serving calls of one loop, and the threads for what takes long."""

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: Executor) -> None:
        self._loop = loop
        self._threads = threads
        self._batcher = Batcher(loop, threads)

    def open(self) -> None:
        """Let small calls be committed by the loop itself."""
        self._batcher.commits.open()

    async def answer(self, match: ResolverMatch, request: HttpRequest, read: Read) -> HttpResponse | bytes:
        """Answer a request for an address of `match_of`.

        Args:
            read: reads the body, which is only done for callers with a valid key.

        Returns:
            A response, or the JSON text of a successful one.
        """
        view_class: Any = match.func
        began, view = time.perf_counter(), view_class.cls()
        view.setup(request, *match.args, **match.kwargs)
        request.resolver_match = match
        try:
            caller = await self._enter(view, request, read)
            # of Django's request, which would read it from a stream
            request._body = await read()
            metrics.step("read", time.perf_counter() - began)
            answer = await self._respond(view, request, caller)
        except Exception as error:  # noqa: BLE001  the view answers every one
            answer = view.refuse(error)
        view.count(answer.status_code if isinstance(answer, HttpResponse) else HTTPStatus.OK, began)
        return answer

    async def _enter(self, view: ServingView, request: HttpRequest, read: Read) -> KeyCaller:
        """Check all but the body; a short one is read even so, because the server closes connections with an unread body."""
        try:
            return await self._anywhere(partial(view.enter, request))
        except Exception:
            if int(request.META["CONTENT_LENGTH"] or 0) <= QUICK_BYTES:
                # only the refusal matters
                with suppress(Exception):
                    async with asyncio.timeout(REFUSED_SECONDS):
                        await read()
            raise

    async def _respond(
        self, view: ServingView, request: HttpRequest, caller: KeyCaller
    ) -> HttpResponse | bytes:
        respond = partial(view.respond, request, caller)
        is_quick = request.content_type != "text/csv" and request.META.keys().isdisjoint(_SLOW)
        if not is_quick or len(request.body) > QUICK_BYTES:
            return await self._in_thread(respond)
        if not isinstance(view, ScoringView) or request.method != "POST":
            return await self._anywhere(respond)
        try:
            query = view.read(request, caller)
        except SynchronousOnlyOperation:
            return await self._in_thread(respond)
        answer = await self._batcher.predict(query)
        began = time.perf_counter()
        body = view.write(answer)
        content: HttpResponse | bytes = body if isinstance(body, HttpResponse) else as_json(body)
        metrics.step("answer", time.perf_counter() - began, query.live.classifier)
        return content

    async def _anywhere(self, step: Callable[[], T]) -> T:
        """Take a step here, or in a thread if it needs the database."""
        try:
            return step()
        except SynchronousOnlyOperation:
            return await self._in_thread(step)

    async def _in_thread(self, step: Callable[[], T]) -> T:
        context = contextvars.copy_context()
        return await self._loop.run_in_executor(self._threads, context.run, _with_connection, step)


# headers of calls that take a thread
_SLOW = (idempotency.META, "HTTP_CONTENT_ENCODING")


def _with_connection(step: Callable[[], T]) -> T:
    connection.close_if_unusable_or_obsolete()
    try:
        return step()
    except DatabaseError as error:
        # closes this thread's connection if it is of no use; the loop answers the error
        database.outage(error)
        raise


def match_of(path: str) -> ResolverMatch | None:
    """The view of a serving call; None for all other addresses."""
    return _match(path) if path.startswith(SCORING) else None


@lru_cache(1_024)
def _match(path: str) -> ResolverMatch | None:
    try:
        match = get_resolver().resolve(path)
    except Http404:
        return None
    view: Any = getattr(match.func, "cls", None)
    return match if isinstance(view, type) and issubclass(view, ServingView) else None
