"""Bins of values: the same for records and columns, and as frequent in new rows as in the table."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from training.ml.tables.checks import check_records
from training.ml.tables.contract import Contract
from training.ml.tables.inference import infer
from training.ml.watch import shift
from training.ml.watch.bins import Binner, Bins, Column
from training.ml.watch.reference import Reference, describe


def table(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount": random.lognormal(3, 1, rows).round(2),
            "visits": random.poisson(1.2, rows),
            "member": random.random(rows) < 0.5,
            "city": random.choice([f"city {place}" for place in range(40)], rows, p=_falling(40)),
            "place": random.integers(0, 300, rows).astype(str),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, rows), "D"),
            "label": random.choice(["no", "yes"], rows),
        }
    )
    frame["place"] = "p" + frame["place"]
    frame.loc[::9, "amount"] = np.nan
    frame.loc[::10, "city"] = np.nan
    return frame


def _falling(size: int) -> Any:
    shares = 0.85 ** np.arange(size)
    return shares / shares.sum()


def reference_of(frame: pd.DataFrame) -> tuple[Contract, Reference]:
    contract = infer(frame, "label")
    random = np.random.default_rng(1)
    labels = frame["label"].tolist()
    confidence = random.uniform(0.5, 1, len(frame))
    reference = describe(
        contract.prepare(frame), contract, truth=labels, labels=labels, confidence=confidence
    )
    return contract, reference


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    frame = frame.assign(day=frame["day"].dt.strftime("%Y-%m-%d"))
    rows = frame.drop(columns="label").astype(object)
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in rows.to_dict("records")
    ]


def test_records_and_columns_have_the_same_bins() -> None:
    contract, reference = reference_of(table(600))
    assert len(contract.features) == 6
    binner = Binner(reference.bins, contract)
    records = records_of(table(300, seed=5))
    records[0] |= {"amount": 1e9, "city": "a new one", "day": "2030-05-01", "visits": -3}
    checked = check_records(contract, records)
    labels = ["no", "yes", "yes"] * 100
    confidence = np.random.default_rng(2).random(300).tolist()
    by_record = binner.places(records, labels, confidence)
    by_column = binner.places(checked.arrays, labels, confidence)
    assert sorted(by_record) == sorted(by_column.tolist() if not isinstance(by_column, list) else by_column)
    assert len(by_record) == 300 * 7


def test_rows_of_the_table_have_the_counts_of_the_reference() -> None:
    """Except for values that only one row has, which are counted as if the table did not have this row."""
    frame = table()
    contract, reference = reference_of(frame)
    binner, bins = Binner(reference.bins, contract), reference.bins
    places = binner.places(records_of(frame), frame["label"].tolist(), [0.7] * len(frame))
    counts = np.bincount(places, minlength=bins.size)
    for place, then in enumerate(reference.counts):
        column = bins.columns[place]
        found = bins.of_column(counts, place)
        assert found.sum() == sum(then) == len(frame)
        assert found[column.missing] == then[column.missing]
        assert np.abs(found - then).sum() <= 2 * sum(
            then[odd] for odd in (column.outside or (column.unseen,))
        )


def test_numbers_are_parted_in_tenths_and_frequent_ones_are_alone() -> None:
    _, reference = reference_of(table(2_000))
    amount, visits = reference.bins.columns[:2]
    assert len(amount.edges) == 11
    assert {0.0, 1.0, 2.0} <= set(visits.edges)


@pytest.mark.parametrize("rows", [80, 500, 3_000])
def test_new_rows_of_the_same_distribution_do_not_move(rows: int) -> None:
    """Also for small tables, rare categories and values beyond the highest of the table."""
    alarms = 0
    for seed in range(12):
        contract, reference = reference_of(table(rows, seed))
        binner, bins = Binner(reference.bins, contract), reference.bins
        fresh = table(2_000, 1_000 + seed)
        arrays = contract.prepare(fresh)
        places = binner.places(
            {name: arrays[name].to_numpy() for name in contract.names},
            fresh["label"].tolist(),
            [0.7] * len(fresh),
        )
        counts = np.bincount(places, minlength=bins.size)
        distances = [
            shift.distance(then, bins.of_column(counts, place)) for place, then in enumerate(reference.counts)
        ]
        found = shift.discoveries([distance.p for distance in distances])
        alarms += any(is_found and item.matters for is_found, item in zip(found, distances, strict=True))
    assert alarms <= 1


def test_a_reference_survives_json() -> None:
    _, reference = reference_of(table())
    again = Reference.from_dict(reference.to_dict())
    assert again.to_dict() == reference.to_dict()
    assert again.bins == reference.bins
    assert isinstance(again.bins, Bins)
    assert all(isinstance(column, Column) for column in again.bins.columns)
