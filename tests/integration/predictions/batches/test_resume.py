"""A batch whose worker was lost at any point: taken up where it ended, the same to the byte, each row logged once."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from clfsite.core.jobs import worker
from predictions.batches import downloads as batch_downloads
from predictions.batches import service as batches
from predictions.batches.service import create_batch, execute_batch
from predictions.log import rows as log
from predictions.models import Batch, HourlyCount, Prediction
from training.ml.tables import blocks
from training.models import Version

HEADER = "spend,tenure,member,plan"
ROWS = 40


class Lost(BaseException):
    """What a process does when it is killed: no handler of the job runs."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROWS", 10)


def waiting(mode: str = "strict") -> Batch:
    lines = [f"{60 + row},{1 + row},true,pro" if row != 15 else "much,1,true,pro" for row in range(ROWS)]
    if mode == "strict":
        lines[15] = "7,7,true,pro"
    text = "\n".join([HEADER, *lines, ""])
    return create_batch(source=ContentFile(text.encode(), name="rows.csv"), caller="tests", mode=mode)


def content(batch: Batch) -> bytes:
    """The result of a batch without what no other batch can have."""
    whole: bytes = batch_downloads.answers(batch).getvalue()
    assert batch.id_prefix.encode() in whole
    return whole.replace(batch.id_prefix.encode(), b"")


def orphan(batch: Batch) -> Batch:
    """The batch as another worker finds it once the lease of the lost one is over."""
    Batch.objects.filter(pk=batch.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    return Batch.objects.get(pk=batch.pk)


def failing(call: Callable[..., Any], at: int, error: BaseException, *, after: bool) -> Callable[..., Any]:
    """The call, which fails the one time given, before it has done its work or after."""
    count = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == at and not after:
            raise error
        result = call(*args, **kwargs)
        if count == at:
            raise error
        return result

    return wrapped


@pytest.mark.parametrize("mode", ["strict", "lenient"])
@pytest.mark.parametrize(
    ("owner", "name", "at", "after"),
    [
        (batches, "check_rows", 1, False),
        (batches, "check_rows", 1, True),
        (log, "write", 1, False),
        (log, "write", 3, False),
        (log, "write", 3, True),
        (batches, "_log", 2, True),
        (batches, "_log", 4, True),
    ],
    ids=[
        "in the check",
        "after it",
        "first part",
        "third part",
        "third part logged",
        "second done",
        "all done",
    ],
)
def test_a_lost_worker_changes_no_byte_and_no_row(
    owner: Any, name: str, at: int, after: bool, mode: str, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = waiting(mode)
    execute_batch(undisturbed)
    batch = waiting(mode)
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, failing(getattr(owner, name), at, Lost(), after=after))
        with pytest.raises(Lost):
            execute_batch(batch)
    again = orphan(batch)
    execute_batch(again)
    assert (again.state, again.attempt, again.error) == ("succeeded", 2, "")
    assert content(again) == content(undisturbed)
    assert again.summary == undisturbed.summary
    rows = list(Prediction.objects.filter(batch=batch).order_by("row").values_list("row", flat=True))
    assert rows == [row for row in range(ROWS) if mode == "strict" or row != 15]
    assert sum(HourlyCount.objects.values_list("predictions", flat=True)) == 2 * len(rows)


def test_after_three_lost_workers_a_batch_fails_and_says_why(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = waiting()
    monkeypatch.setattr(log, "write", failing(log.write, 1, Lost(), after=False))
    for _ in range(3):
        monkeypatch.setattr(log, "write", failing(log.write, 1, Lost(), after=False))
        with pytest.raises(Lost):
            execute_batch(batch)
        batch = orphan(batch)
    execute_batch(batch)
    batch.refresh_from_db()
    assert batch.state == "failed"
    assert "given up after 3 attempts" in batch.error


def test_a_database_that_is_away_costs_no_attempt(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = waiting()
    with monkeypatch.context() as patched:
        away = OperationalError("server closed the connection")
        patched.setattr(log, "write", failing(log.write, 2, away, after=False))
        # closing the connection would end the test's transaction
        patched.setattr(batches, "close_old_connections", lambda: None)
        execute_batch(batch)
    batch.refresh_from_db()
    assert (batch.state, batch.attempt, batch.rows_done) == ("queued", 0, 10)
    execute_batch(batch)
    assert (batch.state, batch.attempt) == ("succeeded", 1)
    assert Prediction.objects.filter(batch=batch).count() == ROWS


def test_a_worker_that_was_overtaken_writes_no_more(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen worker wakes behind the one that took over: its part is refused as a whole."""
    batch = waiting()
    log = batches._log

    def overtaken(*args: Any) -> None:
        monkeypatch.setattr(batches, "_log", log)
        other = orphan(batch)
        execute_batch(other)
        assert other.state == "succeeded"
        log(*args)

    monkeypatch.setattr(batches, "_log", overtaken)
    execute_batch(batch)
    batch.refresh_from_db()
    assert (batch.state, batch.attempt, batch.error) == ("succeeded", 2, "")
    assert Prediction.objects.filter(batch=batch).count() == ROWS


def test_a_row_of_a_batch_stands_once_in_the_log(version: Version) -> None:
    batch = waiting()
    execute_batch(batch)
    twin = Prediction.objects.filter(batch=batch).latest("row")
    twin.pk = None
    with pytest.raises(IntegrityError):
        twin.save(force_insert=True)


def test_a_batch_is_cancelled_between_two_parts(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = waiting()

    def cancelled(written: Sequence[log.LogRows], count: int) -> None:
        write(written, count)
        Batch.objects.get(pk=batch.pk).request_cancel()

    write = log.write
    monkeypatch.setattr(log, "write", cancelled)
    execute_batch(batch)
    batch.refresh_from_db()
    assert (batch.state, batch.rows_done) == ("cancelled", 10)
    assert Prediction.objects.filter(batch=batch).count() == 10


def test_a_worker_that_ends_gives_its_batch_back(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = waiting()
    stopping, write = threading.Event(), log.write

    def ending(written: Sequence[log.LogRows], count: int) -> None:
        write(written, count)
        stopping.set()

    with monkeypatch.context() as patched:
        patched.setattr(worker, "stopping", stopping)
        patched.setattr(log, "write", ending)
        execute_batch(batch)
    assert (batch.state, batch.attempt, batch.rows_done) == ("queued", 0, 10)
    execute_batch(batch)
    assert batch.state == "succeeded"
