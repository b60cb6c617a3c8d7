"""The counts beside the log: of each commit, and collected by hour."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections, transaction
from django.db.models import Sum

from predictions.models import CommitCount, HourlyCount, HourlyLatency
from predictions.monitoring import counts
from tests.support.factories import VersionFactory

pytestmark = pytest.mark.dialect

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def counted(
    created_at: datetime, version: int, source: str, label: str, probability: float, latency_ms: float
) -> counts.Counted:
    """One prediction."""
    return counts.Counted(created_at, version, source, latency_ms, counts.tenths([label], [probability]))


@pytest.mark.django_db
def test_counts_of_an_hour_add_up_by_label_and_tenth_of_the_probability() -> None:
    version = VersionFactory.create()
    late, later = NOON + timedelta(minutes=59, seconds=59), NOON + timedelta(hours=1)
    counts.add(
        [
            counted(NOON, version.pk, "api", "yes", 0.81, 1.0),
            counted(late, version.pk, "api", "yes", 0.89, 1.0),
        ]
    )
    counts.add(
        [
            counted(late, version.pk, "api", "no", 1.0, 1.0),
            counted(later, version.pk, "csv", "yes", 0.81, 1.0),
        ]
    )
    result = HourlyCount.objects.order_by("hour", "label").values_list(
        "hour", "version_id", "source", "label", "decile", "predictions"
    )
    assert list(result) == [
        (NOON, version.pk, "api", "no", 9, 1),
        (NOON, version.pk, "api", "yes", 8, 2),
        (later, version.pk, "csv", "yes", 8, 1),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("latency_ms", "bucket"), [(0.001, 0), (0.01, 0), (0.011, 1), (5_000, 17), (60_000, 18)]
)
def test_a_latency_falls_into_the_first_bucket_whose_bound_it_does_not_exceed(
    latency_ms: float, bucket: int
) -> None:
    counts.add([counted(NOON, VersionFactory.create().pk, "api", "yes", 0.5, latency_ms)])
    assert HourlyLatency.objects.get().bucket == bucket


@pytest.mark.django_db
def test_a_transaction_that_fails_takes_its_counts_back() -> None:
    version = VersionFactory.create()
    with transaction.atomic():
        counts.add([counted(NOON, version.pk, "api", "yes", 0.5, 1.0)])
        transaction.set_rollback(True)
    assert not HourlyCount.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_eight_writers_lose_no_count_while_two_threads_collect() -> None:
    version = VersionFactory.create()
    row = counted(NOON, version.pk, "api", "yes", 0.5, 1.0)
    other = counted(NOON, version.pk, "csv", "no", 0.5, 1.0)
    over = threading.Event()

    def write(rows: list[counts.Counted]) -> None:
        for _ in range(20):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(*counts.insertion(rows))
        connections.close_all()

    def collect() -> None:
        while not over.is_set():
            counts.collect()
        connections.close_all()

    writers = [
        threading.Thread(target=write, args=([row, other] if number % 2 else [other, row],))
        for number in range(8)
    ]
    collectors = [threading.Thread(target=collect) for _ in range(2)]
    for thread in (*writers, *collectors):
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    for thread in collectors:
        thread.join()
    counts.collect()
    for model in (HourlyCount, HourlyLatency):
        assert model.objects.aggregate(total=Sum("predictions"))["total"] == 8 * 20 * 2
    assert not CommitCount.objects.exists()


@pytest.mark.django_db
def test_commits_of_more_than_one_transaction_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "PIECE", 3)
    version = VersionFactory.create()
    with connection.cursor() as cursor:
        for _ in range(7):
            cursor.execute(*counts.insertion([counted(NOON, version.pk, "api", "yes", 0.5, 1.0)]))
    counts.collect()
    assert HourlyCount.objects.get().predictions == 7
    assert not CommitCount.objects.exists()


@pytest.mark.django_db
def test_counts_stay_where_they_are_and_can_be_read_while_the_database_takes_no_changes() -> None:
    row = counted(NOON, VersionFactory.create().pk, "api", "yes", 0.5, 1.0)
    counts.add([row])
    with connection.cursor() as cursor:
        cursor.execute(*counts.insertion([row]))
        is_postgresql = connection.vendor == "postgresql"
        refuse, allow = (
            ("SET LOCAL transaction_read_only = on", "ROLLBACK TO SAVEPOINT writable")
            if is_postgresql
            else ("PRAGMA query_only = ON", "PRAGMA query_only = OFF")
        )
        if is_postgresql:
            cursor.execute("SAVEPOINT writable")
        cursor.execute(refuse)
        counts.bring_up_to_date()
        assert HourlyCount.objects.get().predictions == 1
        cursor.execute(allow)
    counts.bring_up_to_date()
    assert HourlyCount.objects.get().predictions == 2


@pytest.mark.django_db
def test_folding_puts_the_shards_of_past_hours_together_and_changes_no_sum() -> None:
    version = VersionFactory.create()
    later = NOON + timedelta(hours=1)
    for shard, hour in ((0, NOON), (3, NOON), (5, NOON), (5, later)):
        HourlyCount.objects.create(
            hour=hour,
            version=version,
            source="api",
            label="yes",
            decile=8,
            shard=shard,
            predictions=shard + 1,
        )
        HourlyLatency.objects.create(
            hour=hour, version=version, source="api", bucket=4, shard=shard, predictions=shard + 1
        )
    for _ in range(2):
        counts.fold(before=later)
        for model in (HourlyCount, HourlyLatency):
            rows = model.objects.order_by("hour").values_list("hour", "shard", "predictions")
            assert list(rows) == [(NOON, 0, 11), (later, 5, 6)]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_that_is_counted_while_shards_are_folded() -> None:
    version = VersionFactory.create()
    over = threading.Event()

    def fold() -> None:
        while not over.is_set():
            counts.fold(before=NOON + timedelta(hours=1))
        connections.close_all()

    folder = threading.Thread(target=fold)
    folder.start()
    for _ in range(100):
        with transaction.atomic():
            counts.add([counted(NOON, version.pk, "api", "yes", 0.5, 1.0)])
    over.set()
    folder.join()
    assert HourlyCount.objects.aggregate(total=Sum("predictions"))["total"] == 100
    assert HourlyLatency.objects.aggregate(total=Sum("predictions"))["total"] == 100
