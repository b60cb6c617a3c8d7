"""A batch whose worker was lost at any point: taken up where it ended, the same to the byte, each row logged once."""

import errno
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from clfsite.core.errors import Conflict
from clfsite.core.jobs import worker
from clfsite.core.storage import space
from predictions.batches import downloads as batch_downloads
from predictions.batches import service as batches
from predictions.batches.check import check_rows
from predictions.batches.models import Batch
from predictions.batches.scoring import Scorer
from predictions.batches.service import create_batch, execute_batch
from predictions.log.writing import rows as log
from predictions.models import HourlyCount, Prediction
from predictions.monitoring.counts import collect
from tests.support.factories import BatchFactory
from training.ml.files import blocks
from training.models import Version

pytestmark = pytest.mark.dialect

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
        (Scorer, "_log", 2, True),
        (Scorer, "_log", 4, True),
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
    collect()
    assert sum(HourlyCount.objects.values_list("predictions", flat=True)) == 2 * len(rows)


def lose(batch: Batch, *, parts: int) -> Batch:
    """The batch after a worker that was lost when it had logged so many parts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(log, "write", failing(log.write, parts + 1, Lost(), after=False))
        with pytest.raises(Lost):
            execute_batch(batch)
    return orphan(batch)


def test_after_three_lost_workers_without_progress_a_batch_fails_and_says_why(version: Version) -> None:
    # the first gets through the check, which is progress
    batch = lose(waiting(), parts=0)
    for _ in range(3):
        batch = lose(batch, parts=0)
    execute_batch(batch)
    batch.refresh_from_db()
    assert batch.state == "failed"
    assert "gave up after 3 attempts without progress" in batch.error


def test_a_worker_lost_three_times_in_the_check_fails_the_batch(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = waiting()
    for _ in range(3):
        monkeypatch.setattr(batches, "check_rows", failing(check_rows, 1, Lost(), after=True))
        with pytest.raises(Lost):
            execute_batch(batch)
        batch = orphan(batch)
    execute_batch(batch)
    batch.refresh_from_db()
    assert batch.state == "failed"


def test_a_batch_that_gets_further_with_each_lost_worker_is_never_given_up(version: Version) -> None:
    undisturbed, batch = waiting(), waiting()
    execute_batch(undisturbed)
    batch = lose(batch, parts=0)
    for _ in range(ROWS // 10 - 1):
        # two that get nowhere, and one that logs a part
        for parts in (0, 0, 1):
            batch = lose(batch, parts=parts)
    execute_batch(batch)
    assert (batch.state, batch.attempt) == ("succeeded", 3 * (ROWS // 10 - 1) + 2)
    assert content(batch) == content(undisturbed)
    assert Prediction.objects.filter(batch=batch).count() == ROWS


def test_a_failed_batch_goes_on_behind_its_last_part_and_its_result_is_whole(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, batch = waiting("lenient"), waiting("lenient")
    execute_batch(undisturbed)
    with monkeypatch.context() as patched:
        full = OSError(errno.ENOSPC, "No space left on device", "/somewhere")
        patched.setattr(log, "write", failing(log.write, 3, full, after=False))
        execute_batch(batch)
    batch.refresh_from_db()
    assert (batch.state, batch.rows_done) == ("failed", 20)
    assert batch.error == space.JOB_ENDED
    batches.resume_batch(batch=batch)
    assert (batch.state, batch.error, batch.finished_at) == ("queued", "", None)
    execute_batch(batch)
    assert (batch.state, batch.rows_done) == ("succeeded", ROWS)
    # the bad row is still named
    assert batch.problem_count == 1
    assert content(batch) == content(undisturbed)
    assert batch.summary == undisturbed.summary
    assert Prediction.objects.filter(batch=batch).count() == ROWS - 1


def test_a_batch_cancelled_while_it_was_scored_is_resumed(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, write = waiting(), log.write

    def cancelled(written: Sequence[log.LogRows]) -> None:
        write(written)
        Batch.objects.get(pk=batch.pk).request_cancel()

    with monkeypatch.context() as patched:
        patched.setattr(log, "write", cancelled)
        execute_batch(batch)
    batch.refresh_from_db()
    batches.resume_batch(batch=batch)
    execute_batch(batch)
    assert (batch.state, batch.cancel_requested_at) == ("succeeded", None)
    assert Prediction.objects.filter(batch=batch).count() == ROWS


def test_a_batch_whose_file_was_refused_cannot_be_resumed(version: Version) -> None:
    """A strict one, which would otherwise be scored as if it were lenient."""
    text = f"{HEADER}\nmuch,1,true,pro\n60,1,true,pro\n"
    batch = create_batch(source=ContentFile(text.encode(), name="rows.csv"), caller="tests", mode="strict")
    execute_batch(batch)
    assert batch.state == "failed"
    with pytest.raises(Conflict, match="upload a corrected file"):
        batches.resume_batch(batch=batch)
    batch.refresh_from_db()
    assert batch.state == "failed"
    assert not batch.is_resumable


def test_a_discarded_batch_waits_again_to_be_started(version: Version) -> None:
    batch = waiting("lenient")
    Batch.objects.filter(pk=batch.pk).update(hold=True)
    batch.refresh_from_db()
    execute_batch(batch)
    assert batch.state == "checked"
    batch.request_cancel()
    batches.resume_batch(batch=batch)
    assert batch.state == "checked"
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("state", ["queued", "running", "checked", "succeeded"])
def test_only_what_failed_or_was_cancelled_is_resumed(state: str, version: Version) -> None:
    batch = BatchFactory.create(version=version, **({} if state == "queued" else {state: True}))
    before = Batch.objects.values().get(pk=batch.pk)
    with pytest.raises(Conflict, match=f"is {state}; only a failed or cancelled batch"):
        batches.resume_batch(batch=batch)
    assert Batch.objects.values().get(pk=batch.pk) == before


def test_a_batch_waits_while_the_disk_has_no_room(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = waiting()
    with monkeypatch.context() as patched:
        patched.setattr(space, "free_bytes", lambda: (space.LEAST_BYTES - 1, 10**9))
        assert not execute_batch(batch)
    batch.refresh_from_db()
    assert (batch.state, batch.attempt) == ("queued", 0)
    assert execute_batch(batch)
    assert batch.state == "succeeded"


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
    log = Scorer._log

    def overtaken(*args: Any) -> None:
        monkeypatch.setattr(Scorer, "_log", log)
        other = orphan(batch)
        execute_batch(other)
        assert other.state == "succeeded"
        log(*args)

    monkeypatch.setattr(Scorer, "_log", overtaken)
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

    def cancelled(written: Sequence[log.LogRows]) -> None:
        write(written)
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

    def ending(written: Sequence[log.LogRows]) -> None:
        write(written)
        stopping.set()

    with monkeypatch.context() as patched:
        patched.setattr(worker, "stopping", stopping)
        patched.setattr(log, "write", ending)
        execute_batch(batch)
    assert (batch.state, batch.attempt, batch.rows_done) == ("queued", 0, 10)
    execute_batch(batch)
    assert batch.state == "succeeded"
