"""Commits on the event loop: without the writer's thread, and with it where anything goes wrong."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from django.db import IntegrityError, connection, connections
from pytest_django import Settings

from clfsite.core.errors import Unavailable
from predictions.log.writing import group_commit, loop_commit
from predictions.log.writing.awaited import AwaitedCommits
from predictions.log.writing.rows import ROWS_FOR_COPY, LogRows
from predictions.models import Prediction
from tests.integration.predictions.log.writing.test_group_commit import counted, locked_log, log_rows
from tests.support.factories import VersionFactory
from training.models import Version

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.dialect]


@pytest.fixture(autouse=True)
def _only_postgresql(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connection that a loop could wait for")
    monkeypatch.setattr(loop_commit, "RECONNECT_SECONDS", 0.05)
    yield
    group_commit.log.stop()


@pytest.fixture
def version(transactional_db: None) -> Version:
    return VersionFactory.create()


async def ready(commits: AwaitedCommits) -> None:
    while not commits._own.is_open:
        await asyncio.sleep(0.01)


def put(commits: AwaitedCommits, blocks: Sequence[LogRows]) -> "asyncio.Future[Any]":
    """Commit blocks that arrive in one turn: their rows, or errors."""
    futures = [asyncio.get_running_loop().create_future() for _ in blocks]
    commits.put(list(zip(blocks, futures, strict=True)))
    return asyncio.gather(*futures, return_exceptions=True)


def run(work: Callable[[AwaitedCommits], Awaitable[Any]]) -> Any:
    """The result of work on a loop whose connection is open."""

    async def main() -> Any:
        commits = AwaitedCommits(asyncio.get_running_loop())
        commits.open()
        await asyncio.wait_for(ready(commits), 10)
        try:
            return await asyncio.wait_for(work(commits), 20)
        finally:
            commits._own._forget()
            # none while it is opened again
            if left := commits._own._connection:
                left.close()

    return asyncio.run(main())


def in_thread(step: Callable[[], Any]) -> "Awaitable[Any]":
    """Take a step that needs the database, which Django does not allow on a loop."""

    def work() -> Any:
        try:
            return step()
        finally:
            connections.close_all()

    return asyncio.to_thread(work)


def end_session(commits: AwaitedCommits) -> "Awaitable[Any]":
    """Let the server close the loop's connection."""
    pid = commits._own._connection.get_backend_pid()

    def end() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

    return in_thread(end)


def test_small_groups_need_no_writer(version: Version) -> None:
    calls = [[log_rows(version) for _ in range(size)] for size in (1, 5, 3)]

    async def work(commits: AwaitedCommits) -> Any:
        return await asyncio.gather(*(put(commits, blocks) for blocks in calls))

    assert run(work) == calls
    assert Prediction.objects.count() == counted() == 9
    # started when rows are reserved, and never connected
    assert group_commit.log.rows == 0


def test_a_group_of_more_rows_than_one_message_is_sent_in_parts(version: Version) -> None:
    size = ROWS_FOR_COPY // 2 - 1
    calls = [log_rows(version, rows) for rows in (size, size, size, ROWS_FOR_COPY, size, 1)]

    async def work(commits: AwaitedCommits) -> Any:
        return await put(commits, calls)

    assert run(work) == calls
    assert Prediction.objects.count() == counted() == 4 * size + ROWS_FOR_COPY + 1


def test_a_row_that_the_database_refuses_fails_alone(version: Version) -> None:
    good, bad = log_rows(version), replace(log_rows(version), version_id=version.pk + 1_000_000)
    broken = replace(log_rows(version), features=[{"tenure": object()}])

    async def work(commits: AwaitedCommits) -> Any:
        answers = await put(commits, [good, bad, broken])
        await ready(commits)
        return [*answers, *await put(commits, [log_rows(version)])]

    first, second, third, last = run(work)
    assert first == good
    assert isinstance(second, IntegrityError)
    assert isinstance(third, Unavailable)
    assert len(last) == 1
    assert Prediction.objects.count() == counted() == 2


def test_a_connection_that_the_server_closed_is_opened_again(version: Version) -> None:
    async def work(commits: AwaitedCommits) -> Any:
        before = commits._own._connection
        await end_session(commits)
        answers = [await put(commits, [log_rows(version)])]
        while commits._own._connection in {None, before}:
            await asyncio.sleep(0.01)
        await ready(commits)
        return [*answers, await put(commits, [log_rows(version)])]

    for (answer,) in run(work):
        assert len(answer) == 1
    assert Prediction.objects.count() == counted() == 2


def test_a_commit_whose_answer_was_lost_is_not_made_twice(version: Version) -> None:
    def lost() -> int:
        raise psycopg2.OperationalError("server closed the connection unexpectedly")

    async def work(commits: AwaitedCommits) -> Any:
        own = commits._own
        answers = put(commits, [log_rows(version, 2), log_rows(version)])
        # as with uvloop, which is silent about a socket with an error
        asyncio.get_running_loop().remove_reader(own._connection.fileno())
        own._connection.poll = lost
        while await in_thread(Prediction.objects.count) < 3:
            await asyncio.sleep(0.01)
        return await answers

    assert [len(rows) for rows in run(work)] == [2, 1]
    assert Prediction.objects.count() == counted() == 3


def test_calls_are_told_in_time_that_the_database_does_not_answer(
    version: Version, settings: Settings
) -> None:
    settings.CLFSITE_LOG_SECONDS = 1

    async def work(commits: AwaitedCommits) -> Any:
        began = time.monotonic()
        # the second waits behind the first, and neither is stored afterwards
        late = await asyncio.gather(put(commits, [log_rows(version)]), put(commits, [log_rows(version)]))
        assert 0.9 < time.monotonic() - began < 3
        await end_session(commits)
        release()
        settings.CLFSITE_LOG_SECONDS = 10
        return late, await put(commits, [log_rows(version)])

    with locked_log() as release:
        late, after = run(work)
    for (answer,) in late:
        assert isinstance(answer, Unavailable)
        assert "did not confirm" in str(answer)
    assert len(after[0]) == 1
    assert group_commit.log.rows == 0
    assert Prediction.objects.count() == counted() == 1
