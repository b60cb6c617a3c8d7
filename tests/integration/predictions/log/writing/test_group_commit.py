"""The log's one writer: shared commits, deadlines, and a database that goes away and comes back."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.db.models import Sum
from django.utils import timezone
from pytest_django import Settings
from uuid_utils import uuid7

from clfsite.core.errors import Unavailable
from predictions.log.writing import group_commit
from predictions.log.writing.rows import ROWS_FOR_COPY, ROWS_OF_PIECE, LogRows, write
from predictions.models import HourlyCount, Prediction
from predictions.monitoring import counts
from predictions.serving import metrics
from tests.support.factories import VersionFactory
from training.models import Version

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.dialect]


@pytest.fixture(autouse=True)
def _writer_ends() -> Iterator[None]:
    """No writer outlives its test with a connection to the test's database."""
    yield
    group_commit.log.stop()


@pytest.fixture
def version(transactional_db: None) -> Version:
    return VersionFactory.create()


FEATURES = {"tenure": 5, "plan": 'a "quoted"\ttab\\ and\nline'}
PROBABILITIES = {"no": 0.2, "yes": 0.8}
WARNINGS = [{"code": "unknown"}]


def log_rows(version: Version, rows: int = 1) -> LogRows:
    return LogRows(
        ids=[str(uuid7()) for _ in range(rows)],
        features=[FEATURES] * rows,
        labels=["yes"] * rows,
        probability=[0.8] * rows,
        probabilities=[json.dumps(PROBABILITIES)] * rows,
        warnings=[json.dumps(WARNINGS)] * rows,
        version_id=version.pk,
        latency_ms=1.5,
        source="api",
        caller="a\ttester\\",
        created_at=timezone.now(),
    )


def refused(version: Version) -> LogRows:
    """A row that the database does not take."""
    return replace(log_rows(version), version_id=version.pk + 1_000_000)


def record(rows: LogRows) -> None:
    group_commit.record(rows, lambda: None)


def commits() -> float:
    """How many commits of the log this process has made."""
    samples = [sample for metric in metrics.commit_rows.collect() for sample in metric.samples]
    return next(float(sample.value) for sample in samples if sample.name.endswith("_count"))


def counted() -> int:
    counts.collect()
    return HourlyCount.objects.aggregate(total=Sum("predictions"))["total"] or 0


@contextmanager
def locked_log() -> Iterator[Callable[[], None]]:
    """Let nobody write the log until the block ends, or until the function that it gets is called."""
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("LOCK TABLE predictions_prediction IN ACCESS EXCLUSIVE MODE")
            held.set()
            release.wait(30)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    try:
        yield release.set
    finally:
        release.set()
        holder.join()


@pytest.mark.parametrize("rows", [1, ROWS_FOR_COPY + ROWS_OF_PIECE + 1])
def test_rows_come_back_as_they_went_in(version: Version, rows: int) -> None:
    made = replace(
        log_rows(version, rows), labels=[r"\N", "a\tb\r\n\\.", r"\."][:rows] + ["yes"] * (rows - 3)
    )
    record(made)
    assert Prediction.objects.count() == counted() == rows
    assert list(Prediction.objects.order_by("id").values_list("label", flat=True)) == made.labels
    for key in (made.ids[0], made.ids[-1]):
        row = Prediction.objects.get(pk=key)
        assert (row.features, row.probabilities, row.warnings) == (FEATURES, PROBABILITIES, WARNINGS)
        assert (row.probability, row.latency_ms) == (0.8, 1.5)
        assert (row.version, row.source, row.caller) == (version, "api", made.caller)
        assert (row.created_at, row.batch, row.row) == (made.created_at, None, None)


@pytest.mark.parametrize("rows", [1, ROWS_FOR_COPY])
def test_blocks_of_different_requests_are_written_at_once(version: Version, rows: int) -> None:
    other = VersionFactory.create()
    blocks = [log_rows(version, rows), replace(log_rows(other, 2), labels=["no", "yes"])]
    write(blocks)
    result = Prediction.objects.order_by("version_id", "-label").values_list("version_id", "label")
    assert list(result) == [(version.pk, "yes")] * rows + [(other.pk, "yes"), (other.pk, "no")]
    assert counted() == rows + 2


def test_requests_at_once_share_commits_and_lose_nothing(version: Version) -> None:
    before = commits()

    def work() -> None:
        for _ in range(10):
            record(log_rows(version))
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Prediction.objects.count() == counted() == 160
    assert commits() - before < 160


def test_rows_of_a_transaction_go_with_it(version: Version) -> None:
    with transaction.atomic():
        record(log_rows(version))
        transaction.set_rollback(True)
    assert Prediction.objects.count() == counted() == 0


def test_a_row_that_the_database_refuses_fails_alone(version: Version) -> None:
    errors: list[BaseException] = []
    good, bad = log_rows(version), refused(version)
    # while the writer is busy with nothing, the two wait for the same commit
    gate = threading.Barrier(2)

    def work(made: LogRows) -> None:
        gate.wait()
        try:
            record(made)
        except IntegrityError as error:
            errors.append(error)
        connections.close_all()

    threads = [threading.Thread(target=work, args=(made,)) for made in (good, bad)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 1
    assert [str(row.pk) for row in Prediction.objects.all()] == good.ids


@pytest.mark.parametrize("size", [1, ROWS_FOR_COPY])
def test_a_group_with_a_refused_row_is_narrowed_down(version: Version, size: int) -> None:
    deadline = time.monotonic() + 60
    rows = [log_rows(version, size) for _ in range(7)]
    rows[4] = replace(rows[4], ids=rows[3].ids)
    group = [group_commit.Waiting(row, deadline) for row in rows]
    assert group_commit.GroupCommit()._commit(group) == []
    assert [waiting.error is not None for waiting in group] == [number == 4 for number in range(7)]
    assert isinstance(group[4].error, IntegrityError)
    assert Prediction.objects.count() == counted() == 6 * size


@pytest.mark.parametrize("rows", [1, ROWS_FOR_COPY])
@pytest.mark.parametrize("fault", ["features", "places"])
def test_a_call_whose_rows_cannot_be_written_out_fails_alone(version: Version, rows: int, fault: str) -> None:
    def lost() -> list[int]:
        raise ValueError("no such place")

    whole = log_rows(version, rows)
    broken = (
        replace(whole, places=lost)
        if fault == "places"
        else replace(whole, features=[*whole.features[1:], {"tenure": object()}])
    )
    deadline = time.monotonic() + 60
    group = [group_commit.Waiting(item, deadline) for item in (whole, broken, log_rows(version))]
    assert group_commit.GroupCommit()._commit(group) == []
    assert [bool(waiting.error) for waiting in group] == [False, True, False]
    assert isinstance(group[1].failure(), Unavailable)
    assert Prediction.objects.count() == counted() == rows + 1


def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[bool] = []

    def write_and_lose(blocks: Sequence[LogRows]) -> None:
        write(blocks)
        if not lost:
            lost.append(True)
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(group_commit, "write", write_and_lose)
    record(log_rows(version, 2))
    assert lost
    assert Prediction.objects.count() == counted() == 2


def test_an_answer_is_written_while_its_rows_are_stored_and_given_only_then(version: Version) -> None:
    made = log_rows(version)
    with locked_log() as unlock:

        def write_answer() -> str:
            unlock()
            return "written"

        # nothing else ends the lock in time
        assert group_commit.record(made, write_answer) == "written"
    assert Prediction.objects.filter(pk=made.ids[0]).exists()


def test_a_database_that_does_not_answer_in_time_is_told_and_recovers(
    version: Version, settings: Settings
) -> None:
    settings.CLFSITE_LOG_SECONDS = 1
    with locked_log():
        began = time.monotonic()
        with pytest.raises(Unavailable, match="did not confirm"):
            record(log_rows(version))
        assert time.monotonic() - began < 3
    settings.CLFSITE_LOG_SECONDS = 10
    after = log_rows(version)
    record(after)
    assert Prediction.objects.filter(pk=after.ids[0]).exists()


def test_more_rows_than_may_wait_are_refused_at_once(version: Version, settings: Settings) -> None:
    settings.CLFSITE_LOG_ROWS = 10
    log = group_commit.GroupCommit()
    log.submit(log_rows(version), list)
    log._rows = 10
    with pytest.raises(Unavailable, match="already waiting for the log"):
        log.submit(log_rows(version), list)
    log.stop()


def test_a_broken_connection_is_replaced(version: Version) -> None:
    record(log_rows(version))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    record(log_rows(version))
    assert Prediction.objects.count() == counted() == 2


def test_another_process_begins_a_writer_of_its_own(version: Version) -> None:
    record(log_rows(version))
    first = group_commit.log._thread
    group_commit.log.stop()
    # what a fork inherits: the thread's object, and not the thread
    group_commit.log._owner = -1
    record(log_rows(version))
    assert group_commit.log._thread is not first
    assert Prediction.objects.count() == 2


def test_a_writer_that_fails_is_told_of_and_shows_until_it_succeeds(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(group_commit, "write", fail)
        with pytest.raises(Unavailable, match="could not be written"):
            record(log_rows(version))
    assert "could not be written" in group_commit.log.problem()
    record(log_rows(version))
    assert group_commit.log.problem() == ""


# the thread's own last words are the point
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_died_shows_and_is_begun_anew(
    version: Version, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLFSITE_LOG_SECONDS = 1

    def die(*_: object) -> None:
        connection.close()
        raise GeneratorExit

    with monkeypatch.context() as patch:
        patch.setattr(group_commit, "write", die)
        with pytest.raises(Unavailable, match="did not confirm"):
            record(log_rows(version))
    assert "was restarted" in group_commit.log.problem()
    assert group_commit.log.problem() == ""
    record(log_rows(version))
    assert Prediction.objects.count() == counted() == 1
