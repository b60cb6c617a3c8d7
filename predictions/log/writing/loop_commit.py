"""Commits on an event loop: PostgreSQL stores the rows of some calls while the loop goes on with others.

To wake the writer's thread for a commit, and the loop after it, takes longer than PostgreSQL needs for a row. Small groups of
calls are therefore sent from the loop itself, as one message on a connection of their own. All else is left to the writer in
`group_commit`: SQLite, large groups, and whatever fails, because the writer tries again and finds the rows that cannot be stored.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

import psycopg2
from django.db import connection as django_connection
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE

from clfsite.core.storage.database import dialect
from clfsite.core.web.deferred import deferred
from predictions.log.writing.group_commit import Waiting
from predictions.log.writing.rows import at_once
from predictions.serving import metrics

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
RECONNECT_SECONDS = 1.0
_AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError)
Call = TypeVar("Call", bound=Waiting)


class LoopCommit(Generic[Call]):
    """The connection of one loop, with at most one group under way.

    Attributes:
        group: the calls whose rows are being stored.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        committed: Callable[[Sequence[Call]], None],
        failed: Callable[[Sequence[Call]], None],
    ) -> None:
        self._loop = loop
        self._committed = committed
        self._failed = failed
        self._connection: Any = None
        self._cursor: Any = None
        self._watched: tuple[int, int] | None = None
        self._began = 0.0
        self.group: Sequence[Call] = ()

    @property
    def is_open(self) -> bool:
        """Whether a group can be sent, or is under way."""
        return self._cursor is not None

    def open(self) -> None:
        """Connect, and again whenever the connection is lost."""
        if dialect().vendor == "postgresql":
            # looking up the server's name would stop the loop
            threading.Thread(target=self._dial, name="connect the log", daemon=True).start()

    def send(self, group: Sequence[Call]) -> None:
        """Send the rows of calls; `committed` or `failed` gets them later."""
        began = time.perf_counter()
        try:
            self._cursor.execute(*at_once([waiting.rows for waiting in group]))
        except Exception as error:  # noqa: BLE001  the writer finds the rows that it is about
            self._give_up(error, group)
            return
        # only now, because a group of an idle connection counts as committed
        self.group, self._began = group, began
        self._go_on()

    def look(self) -> None:
        """Look after a group that is under way, because uvloop is silent about a socket with an error, such as a reset."""
        if self.group:
            self._go_on()

    def _dial(self) -> None:
        made = None
        # the reason is told by the writer, which has the same problem
        with suppress(*_AWAY):
            made = psycopg2.connect(**django_connection.get_connection_params(), async_=True)
        # the loop may have ended meanwhile
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._dialled, made)

    def _dialled(self, made: Any) -> None:
        self._connection = made
        if made is None:
            self._loop.call_later(RECONNECT_SECONDS, self.open)
            return
        self._loop.call_later(CONNECT_SECONDS, self._end_dialling, made)
        self._go_on()

    def _end_dialling(self, made: Any) -> None:
        if made is self._connection and not self.is_open:
            self._give_up(psycopg2.OperationalError("the database did not accept a connection in time"))

    def _go_on(self) -> None:
        """Take the connection as far as it goes now, and wait for its socket."""
        if not self.is_open:
            # libpq may go on with another socket
            self._forget()
        try:
            state = self._connection.poll()
            self._watch(state)
        except psycopg2.Error as error:
            self._give_up(error)
            return
        if state != POLL_OK:
            return
        if not self.is_open:
            self._cursor = self._connection.cursor()
        elif self.group:
            group, self.group = self.group, ()
            deferred.change(metrics.commit_seconds, time.perf_counter() - self._began)
            deferred.change(metrics.commit_rows, sum(len(waiting.rows) for waiting in group))
            self._committed(group)

    def _watch(self, state: int) -> None:
        """Call `_go_on` when the socket is ready; an idle one is ready when the server closes it."""
        wanted = (self._connection.fileno(), POLL_WRITE if state == POLL_WRITE else POLL_READ)
        if wanted == self._watched:
            return
        self._forget()
        socket, _ = self._watched = wanted
        watch = self._loop.add_writer if state == POLL_WRITE else self._loop.add_reader
        watch(socket, self._go_on)

    def _forget(self) -> None:
        if self._watched:
            socket, wanted = self._watched
            (self._loop.remove_writer if wanted == POLL_WRITE else self._loop.remove_reader)(socket)
            self._watched = None

    def _give_up(self, error: Exception, unsent: Sequence[Call] = ()) -> None:
        """Leave the group that is under way, or could not be sent, to the writer, and connect again."""
        if self.is_open:
            logger.warning("the log's connection of the event loop is opened again: %s", str(error).strip())
        self._forget()
        self._connection.close()
        self._connection = self._cursor = None
        group, self.group = unsent or self.group, ()
        for waiting in group:
            # without an answer, the rows may be stored
            waiting.was_tried = isinstance(error, _AWAY)
        self._loop.call_later(RECONNECT_SECONDS, self.open)
        if group:
            self._failed(group)
