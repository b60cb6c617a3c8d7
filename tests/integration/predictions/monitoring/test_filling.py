"""Counts by bin for a log from before they were kept."""

import io
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from predictions.models import HourlyBin, HourlyCount, Prediction, hour_of
from predictions.monitoring import bins, filling
from predictions.monitoring.counts import collect
from predictions.serving.live_models import live_models
from predictions.serving.predict import Query, predict
from tests.support.factories import tiny, trained_version
from training.models import Version

pytestmark = [pytest.mark.dialect, pytest.mark.django_db]

HOUR = timedelta(hours=1)


@pytest.fixture
def version() -> Version:
    """A version with three calls in its log."""
    version = trained_version(classifier="churn", activate=True, default=True)
    live_models.forget()
    for rows in (1, 7, 40):
        records = [{**tiny().contract.example, "tenure": 1 + row, "plan": None} for row in range(rows)]
        predict(Query(live_models.get(), records, Prediction.Source.API, "tests"), lambda answer: answer)
    collect()
    return version


def lose_half(version: Version) -> None:
    """Lose half of the counts by bin."""
    size = version.reference.bins.size
    for row in HourlyBin.objects.all():
        row.counts = bins.pack(bins.unpack(row.counts, size) // 2)
        row.save()


def counts_of(version: Version) -> list[int]:
    now = hour_of(timezone.now())
    hours = bins.read(version.pk, version.reference.bins.size, now - HOUR, now + 3 * HOUR)
    return [int(count) for count in hours.counts.sum(axis=0)]


def later() -> datetime:
    return timezone.now() + 2 * HOUR


def test_an_hour_without_counts_gets_those_that_it_would_have(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "PIECE", 10)
    before = counts_of(version)
    HourlyBin.objects.all().delete()
    filled = list(filling.fill(version, later()))
    assert (filled[-1].hours, filled[-1].predictions) == (filled[-1].of, 48)
    assert counts_of(version) == before
    assert list(filling.fill(version, later())) == []


def test_an_hour_that_was_partly_counted_is_not_counted_twice(version: Version) -> None:
    before = counts_of(version)
    lose_half(version)
    list(filling.fill(version, later()))
    assert counts_of(version) == before


def test_counts_of_rows_that_are_no_longer_in_the_log_stay(version: Version) -> None:
    lose_half(version)
    before = counts_of(version)
    Prediction.objects.all().delete()
    assert [filled.predictions for filled in filling.fill(version, later())] == [0] * len(
        HourlyCount.objects.values("hour").distinct()
    )
    assert counts_of(version) == before


def test_the_current_hour_is_left_to_the_log(version: Version) -> None:
    HourlyBin.objects.all().delete()
    assert list(filling.fill(version, timezone.now() + timedelta(minutes=1))) == []


def test_the_command_says_what_it_counted(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    HourlyBin.objects.all().delete()
    at = later()
    monkeypatch.setattr(timezone, "now", lambda: at)
    for expected in ("churn v1: 48 predictions counted in ", "churn v1: complete"):
        out = io.StringIO()
        call_command("fillcounts", classifier="churn", stdout=out)
        assert out.getvalue().startswith(expected)
    with pytest.raises(CommandError, match="no classifier 'other'"):
        call_command("fillcounts", classifier="other")
