"""Predictions by bin: counted in the log's transaction, whatever their way in, and merged by hour."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.models import HourlyBin, Prediction
from predictions.monitoring import bins
from predictions.monitoring.counts import collect
from predictions.serving.live_models import live_models
from predictions.serving.predict import Query, predict
from tests.support.factories import VersionFactory, tiny, trained_version
from training.ml.watch.bins import Binner
from training.models import Version

pytestmark = [pytest.mark.dialect, pytest.mark.django_db]

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def counts_of(version: Version) -> NDArray[np.int64]:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    size = version.reference.bins.size
    hours = bins.read(version.pk, size, start, datetime(2100, 1, 1, tzinfo=UTC))
    return hours.between(start, datetime(2100, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("rows", [1, 7, 250])
def test_each_value_of_a_call_is_counted_with_its_log(rows: int) -> None:
    version = trained_version(activate=True, default=True)
    live_models.forget()
    records = [{**tiny().contract.example, "tenure": 1 + row % 60} for row in range(rows)]
    predict(Query(live_models.get(), records, Prediction.Source.API, "tests"), lambda answer: answer)
    collect()
    counts, reference = counts_of(version), version.reference
    assert reference.bins.cells(counts).sum() == rows
    assert [reference.bins.of_column(counts, place).sum() for place in range(4)] == [rows] * 4
    logged = list(Prediction.objects.values_list("features", "label", "probability"))
    features, labels, probability = zip(*logged, strict=True)
    places = Binner(reference.bins, version.contract).places(features, labels, probability)
    assert counts.tolist() == np.bincount(places, minlength=reference.bins.size).tolist()


def test_counts_of_an_hour_stay_the_same_when_its_rows_are_merged() -> None:
    version = VersionFactory.create()
    for number in range(5):
        counts = np.bincount([number, number, 17])
        HourlyBin.objects.create(version=version, hour=NOON, counts=bins.pack(counts))
    before = counts_of(version)
    assert HourlyBin.objects.count() == 5
    bins.merge_all()
    assert HourlyBin.objects.count() == 1
    assert counts_of(version).tolist() == before.tolist()
    assert before[17] == 5


@pytest.mark.parametrize("counts", [[0, 0, 5], [3] * 40, [70_000, *[1] * 30], [2**40, 0, 0], []])
def test_packed_counts_are_read_back(counts: list[int]) -> None:
    packed = bins.pack(np.array(counts, dtype=np.int64))
    assert bins.unpack(packed, len(counts)).tolist() == counts


@pytest.mark.parametrize(
    "places",
    [[[3, 0, 3]], [[1], [], [4, 1]], [[2] * 300], [[2, 70_000]], [[2, 5], np.array([5, 1])], [[], []]],
)
def test_packed_places_are_counted_when_they_are_read(places: list[Any]) -> None:
    packed = bins.pack_places(places)
    every = [place for some in places for place in some]
    assert bool(packed) == bool(every)
    if every:
        size = max(8, max(every) + 1)
        assert bins.unpack(packed, size).tolist() == np.bincount(every, minlength=size).tolist()


def test_an_hour_has_one_row_however_often_counts_are_added() -> None:
    version = VersionFactory.create()
    for places in ([[300, 1]], [[0, 0], [7]], [[2] * 300]):
        bins.add(version.pk, NOON, [bins.pack_places(places)])
    (row,) = HourlyBin.objects.all()
    assert np.flatnonzero(bins.unpack(row.counts, 301)).tolist() == [0, 1, 2, 7, 300]
