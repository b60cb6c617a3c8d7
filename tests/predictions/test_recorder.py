"""The log's one writer: shared commits, deadlines, and a database that goes away and comes back."""

import threading
import time
from collections.abc import Iterator

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.db.models import Sum
from django.utils import timezone
from pytest_django import Settings
from uuid_utils import uuid7

from predictions import metrics, recorder
from predictions.entries import ROWS_FOR_COPY, Entry, write
from predictions.models import HourlyCount, Prediction
from tests.factories import VersionFactory
from training.errors import Unavailable
from training.models import Version

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _writer_ends() -> Iterator[None]:
    """No writer outlives its test with a connection to the test's database."""
    yield
    recorder.log.stop()


@pytest.fixture
def version(transactional_db: None) -> Version:
    return VersionFactory.create()


def entry(version: Version, **values: object) -> Entry:
    made = Entry(
        id=str(uuid7()),
        version_id=version.pk,
        features={"tenure": 5, "plan": 'a "quoted"\ttab\\ and\nline'},
        label="yes",
        probability=0.8,
        probabilities={"no": 0.2, "yes": 0.8},
        warnings=[],
        latency_ms=1.5,
        source="api",
        caller="tests",
        created_at=timezone.now(),
    )
    for name, value in values.items():
        setattr(made, name, value)
    return made


def commits() -> float:
    """How many commits of the log this process has made."""
    samples = [sample for metric in metrics.commit_rows.collect() for sample in metric.samples]
    return next(float(sample.value) for sample in samples if sample.name.endswith("_count"))


def counted() -> int:
    return HourlyCount.objects.aggregate(total=Sum("predictions"))["total"] or 0


@pytest.mark.parametrize("rows", [1, ROWS_FOR_COPY + 1])
def test_rows_come_back_as_they_went_in(version: Version, rows: int) -> None:
    entries = [entry(version, warnings=[{"code": "unknown"}]) for _ in range(rows)]
    recorder.record(entries)
    assert Prediction.objects.count() == counted() == rows
    for made in (entries[0], entries[-1]):
        row = Prediction.objects.get(pk=made.id)
        for name in (
            "features",
            "label",
            "probability",
            "probabilities",
            "warnings",
            "latency_ms",
            "created_at",
        ):
            assert getattr(row, name) == getattr(made, name), name


def test_requests_at_once_share_commits_and_lose_nothing(version: Version) -> None:
    before = commits()

    def work() -> None:
        for _ in range(10):
            recorder.record([entry(version)])
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
        recorder.record([entry(version)])
        transaction.set_rollback(True)
    assert Prediction.objects.count() == counted() == 0


def test_a_row_that_the_database_refuses_fails_alone(version: Version) -> None:
    refused: list[BaseException] = []
    good, bad = entry(version), entry(version, version_id=version.pk + 1_000_000)
    # while the writer is busy with nothing, the two wait for the same commit
    gate = threading.Barrier(2)

    def work(made: Entry) -> None:
        gate.wait()
        try:
            recorder.record([made])
        except IntegrityError as error:
            refused.append(error)
        connections.close_all()

    threads = [threading.Thread(target=work, args=(made,)) for made in (good, bad)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert [str(row.pk) for row in Prediction.objects.all()] == [good.id]


def test_a_group_with_a_refused_row_is_narrowed_down(version: Version) -> None:
    deadline = time.monotonic() + 60
    group = [recorder.Waiting([entry(version)], deadline) for _ in range(7)]
    group[4].entries[0].version_id = version.pk + 1_000_000
    assert recorder.GroupCommit()._commit(group) == []
    assert [waiting.error is not None for waiting in group] == [number == 4 for number in range(7)]
    assert Prediction.objects.count() == counted() == 6


def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[bool] = []

    def write_and_lose(entries: list[Entry]) -> None:
        write(entries)
        if not lost:
            lost.append(True)
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(recorder, "write", write_and_lose)
    recorder.record([entry(version), entry(version)])
    assert lost
    assert Prediction.objects.count() == counted() == 2


def test_a_database_that_does_not_answer_in_time_is_told_and_recovers(
    version: Version, settings: Settings
) -> None:
    settings.CLFSITE_LOG_SECONDS = 1
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
    held.wait(10)
    began = time.monotonic()
    try:
        with pytest.raises(Unavailable, match="did not confirm"):
            recorder.record([entry(version)])
        assert time.monotonic() - began < 3
    finally:
        release.set()
        holder.join()
    settings.CLFSITE_LOG_SECONDS = 10
    after = entry(version)
    recorder.record([after])
    assert Prediction.objects.filter(pk=after.id).exists()


def test_more_rows_than_may_wait_are_refused_at_once(version: Version, settings: Settings) -> None:
    settings.CLFSITE_LOG_ROWS = 10
    log = recorder.GroupCommit()
    log.submit([entry(version)])
    log._rows = 10
    with pytest.raises(Unavailable, match="wait for the log already"):
        log.submit([entry(version)])
    log.stop()


def test_a_broken_connection_is_replaced(version: Version) -> None:
    recorder.record([entry(version)])
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    recorder.record([entry(version)])
    assert Prediction.objects.count() == counted() == 2


def test_another_process_begins_a_writer_of_its_own(version: Version) -> None:
    recorder.record([entry(version)])
    first = recorder.log._thread
    recorder.log.stop()
    # what a fork inherits: the thread's object, and not the thread
    recorder.log._owner = -1
    recorder.record([entry(version)])
    assert recorder.log._thread is not first
    assert Prediction.objects.count() == 2


def test_a_writer_that_fails_is_told_of_and_shows_until_it_succeeds(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(recorder, "write", fail)
        with pytest.raises(Unavailable, match="could not be written"):
            recorder.record([entry(version)])
    assert "could not be written" in recorder.log.fault()
    recorder.record([entry(version)])
    assert recorder.log.fault() == ""


# the thread's own last words are the point
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_died_shows_and_is_begun_anew(
    version: Version, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLFSITE_LOG_SECONDS = 1

    def die(_: object) -> None:
        connection.close()
        raise GeneratorExit

    with monkeypatch.context() as patch:
        patch.setattr(recorder, "write", die)
        with pytest.raises(Unavailable, match="did not confirm"):
            recorder.record([entry(version)])
    assert "had ended" in recorder.log.fault()
    assert recorder.log.fault() == ""
    recorder.record([entry(version)])
    assert Prediction.objects.count() == counted() == 1
