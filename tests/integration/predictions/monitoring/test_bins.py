"""Predictions by bin: counted in the log's transaction, whatever their way in, and merged by hour."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection
from numpy.typing import NDArray

from predictions.models import HourlyBin, Prediction
from predictions.monitoring import bins
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
        values = [number, number, 17]
        with_values = bins.Binned(NOON + timedelta(minutes=number), version.pk, values)
        ((statement, parameters),) = bins.statements([with_values])
        execute(statement, parameters)
    before = counts_of(version)
    assert HourlyBin.objects.count() == 5
    bins.merge_all()
    assert HourlyBin.objects.count() == 1
    assert counts_of(version).tolist() == before.tolist()
    assert before[17] == 5


def execute(statement: str, parameters: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


@pytest.mark.parametrize("counts", [[0, 0, 5], [3] * 40, [70_000, *[1] * 30], [2**40, 0, 0], []])
def test_packed_counts_are_read_back(counts: list[int]) -> None:
    packed = bins.pack(np.array(counts, dtype=np.int64))
    assert bins.unpack(packed, len(counts)).tolist() == counts
