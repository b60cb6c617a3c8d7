"""Several workers score one file: each row is logged once, and the result is that of one worker."""

import threading
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db.models.functions import Now

from clfsite.core.jobs import worker
from clfsite.core.jobs.models import Heartbeat
from predictions import tasks
from predictions.batches import downloads as batch_downloads
from predictions.batches import service as batches
from predictions.batches.models import Batch, PendingPart
from predictions.batches.scoring import Scorer
from predictions.batches.service import create_batch, execute_batch, help_with_batch
from predictions.log.writing import rows as log
from predictions.models import HourlyCount, Prediction
from predictions.monitoring.counts import collect
from training.ml.files import blocks
from training.models import Version

ROWS, PARTS = 60, 6


class Lost(BaseException):
    """What a process does when it is killed: no handler of the job runs."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "ROWS", ROWS // PARTS)
    # no lease expires because a machine is slow
    for model in (Batch, PendingPart):
        monkeypatch.setattr(model, "LEASE", timedelta(hours=1))


def waiting() -> Batch:
    lines = ["spend,tenure,member,plan", *(f"{60 + row},{1 + row},true,pro" for row in range(ROWS)), ""]
    return create_batch(source=ContentFile("\n".join(lines).encode(), name="rows.csv"), caller="tests")


def content(batch: Batch) -> bytes:
    """The result of a batch without what no other batch can have."""
    whole: bytes = batch_downloads.answers(batch).getvalue()
    return whole.replace(batch.id_prefix.encode(), b"")


def elsewhere(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Help with a batch in another process."""
    with monkeypatch.context() as patched:
        patched.setattr(batches, "_at_work", Counter())
        help_with_batch(Batch.objects.get(pk=batch.pk))


def while_first_part_is_logged(monkeypatch: pytest.MonkeyPatch, others: Any) -> None:
    """Call a function while the first part of a batch is scored and not yet logged."""
    log_part, is_first = Scorer._log, threading.Event()

    def logged(*args: Any) -> None:
        if not is_first.is_set():
            is_first.set()
            others()
        log_part(*args)

    monkeypatch.setattr(Scorer, "_log", logged)


def is_whole(batch: Batch) -> bool:
    """Whether each row is logged and counted once."""
    rows = list(Prediction.objects.filter(batch=batch).order_by("row").values_list("row", flat=True))
    collect()
    counted = sum(HourlyCount.objects.values_list("predictions", flat=True))
    return rows == list(range(ROWS)) and counted == Prediction.objects.count()


def test_a_helper_scores_what_the_owner_has_not_claimed(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, batch = waiting(), waiting()
    execute_batch(alone)
    done = []

    def helped() -> None:
        elsewhere(batch, monkeypatch)
        done.append(batch.parts.count())

    while_first_part_is_logged(monkeypatch, helped)
    execute_batch(batch)
    assert done == [PARTS - 2]  # the owner logs one part and scores the next
    assert (batch.state, batch.attempt, batch.rows_done) == ("succeeded", 1, ROWS)
    assert content(batch) == content(alone)
    assert batch.summary == alone.summary
    assert is_whole(batch)
    assert not batch.pending_parts.exists()


@pytest.mark.parametrize("after", [False, True], ids=["before its log", "after it"])
def test_what_a_lost_helper_had_claimed_is_scored_after_its_lease(
    version: Version, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    alone, batch = waiting(), waiting()
    execute_batch(alone)
    write = log.write

    def lost(*args: Any) -> None:
        if after:
            write(*args)
        raise Lost

    def helped() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(log, "write", lost)
            with pytest.raises(Lost):
                elsewhere(batch, patched)
        assert batch.pending_parts.filter(claim__isnull=False).count() == 4

    def wait(_seconds: float) -> bool:
        # the leases of the helper expire while the owner has nothing left to claim
        assert not batch.pending_parts.claimable().exists()
        batch.pending_parts.update(lease_until=Now() - timedelta(seconds=1))
        return False

    monkeypatch.setattr(worker.stopping, "wait", wait)
    while_first_part_is_logged(monkeypatch, helped)
    execute_batch(batch)
    assert (batch.state, batch.attempt) == ("succeeded", 1)
    assert content(batch) == content(alone)
    assert is_whole(batch)


def test_a_part_that_ends_every_worker_ends_the_batch(version: Version) -> None:
    batch = waiting()
    execute_batch(held(batch))
    for _ in range(PendingPart.MOST_ATTEMPTS):
        batch.pending_parts.update(lease_until=None)
        part = batch.pending_parts.claim(uuid.uuid4(), 0)
        assert part is not None
        assert part.number == 0
    batch.pending_parts.update(lease_until=None)
    batches.start_scoring(batch=batch, mode="strict")
    execute_batch(batch)
    assert (batch.state, batch.rows_done) == ("failed", 0)
    assert "gave up after 4 attempts without progress" in batch.error
    assert "from 1 on" in batch.error
    batches.resume_batch(batch=batch)
    execute_batch(batch)
    assert batch.state == "succeeded"


def held(batch: Batch) -> Batch:
    """The batch, which waits after its check."""
    Batch.objects.filter(pk=batch.pk).update(hold=True)
    batch.refresh_from_db()
    return batch


def test_attempts_count_from_the_last_progress_of_the_batch(version: Version) -> None:
    batch = waiting()
    execute_batch(held(batch))
    for rows_done, attempts in [(0, 1), (0, 2), (10, 1), (10, 2), (10, 3), (20, 1)]:
        batch.pending_parts.update(lease_until=None)
        part = batch.pending_parts.claim(uuid.uuid4(), rows_done)
        assert part is not None
        assert part.attempts == attempts


def test_a_batch_that_an_earlier_release_checked_is_scored(version: Version) -> None:
    alone, batch = waiting(), held(waiting())
    execute_batch(alone)
    execute_batch(batch)
    batch.pending_parts.all().delete()
    batches.start_scoring(batch=batch, mode="strict")
    execute_batch(batch)
    assert batch.state == "succeeded"
    assert content(batch) == content(alone)


@pytest.mark.parametrize("ending", ["cancelled", "failed"])
def test_a_helper_of_a_batch_that_ended_logs_nothing_more(
    version: Version, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    batch = waiting()

    def ended() -> None:
        Batch.objects.filter(pk=batch.pk).update(state=ending, finished_at=Now(), error="why")

    def helped() -> None:
        while_first_part_is_logged(monkeypatch, ended)
        elsewhere(batch, monkeypatch)

    while_first_part_is_logged(monkeypatch, helped)
    execute_batch(batch)
    assert Batch.objects.get(pk=batch.pk).state == ending
    assert not Prediction.objects.exists()
    assert not batch.pending_parts.filter(claim__isnull=False).exists()


def test_others_are_called_while_there_are_parts_for_them(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(batches, "wake", lambda task, pk: sent.append((task, pk)))
    alone, batch = waiting(), waiting()
    execute_batch(alone)
    assert not sent  # there is no other worker
    for name in ("here", "there"):
        Heartbeat.objects.create(worker=name, at=Now())
    monkeypatch.setattr(batches, "CALL_SECONDS", 0)
    execute_batch(batch)
    assert set(sent) == {(tasks.help_with_batch.name, batch.pk)}
    # two when it begins, fewer at its end
    assert 2 <= len(sent) <= 2 * PARTS


def test_a_process_helps_no_batch_that_it_executes(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = waiting()
    done = []

    def helped() -> None:
        tasks.help_with_batch(batch.pk)
        done.append(batch.parts.count())

    while_first_part_is_logged(monkeypatch, helped)
    execute_batch(batch)
    assert done == [0]
    assert batch.state == "succeeded"
    tasks.help_with_batch(batch.pk)
    assert is_whole(batch)
