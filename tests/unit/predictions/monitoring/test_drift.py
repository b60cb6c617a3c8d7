"""How far inputs have moved: nothing for rows of the table itself, all for rows from elsewhere."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictions.monitoring import drift
from predictions.monitoring.drift import Drift
from training.ml.tables.profile import describe
from training.models import Dataset

ROWS = 2_000


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    plans = [f"plan {number}" for number in range(20)]
    return pd.DataFrame(
        {
            "amount": random.gamma(2.0, 50.0, ROWS).round(2),
            "same": 7.0,
            "plan": random.choice(plans, ROWS, p=[0.4, *[0.6 / 19] * 19]),
            "note": pd.Series(random.choice(["short", "long"], ROWS)).where(random.random(ROWS) > 0.2),
            "left": random.choice(["yes", "no"], ROWS),
        }
    )


@pytest.fixture(scope="module")
def dataset(table: pd.DataFrame) -> Dataset:
    return Dataset(rows=len(table), profile=describe(table, "left"))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return rows


def drifts(dataset: Dataset, rows: list[dict[str, Any]]) -> dict[str, Drift]:
    names = ["amount", "same", "plan", "note"]
    return {item.feature: item for item in drift.of_inputs(names, dataset, rows)}


def test_the_table_itself_has_not_moved(table: pd.DataFrame, dataset: Dataset) -> None:
    moved = drifts(dataset, records(table))
    assert set(moved) == {"amount", "same", "plan", "note"}
    assert all(item.moved == pytest.approx(0) for item in moved.values())
    assert moved["amount"].then == pytest.approx(moved["amount"].now, rel=0.01)
    assert (moved["plan"].value, moved["plan"].then) == ("plan 0", moved["plan"].now)


def test_some_rows_of_the_table_moved_as_far_as_chance_says(table: pd.DataFrame, dataset: Dataset) -> None:
    samples = [drifts(dataset, records(table.sample(100, random_state=seed))) for seed in range(40)]
    for name in ("amount", "plan", "note"):
        average = np.mean([sample[name].moved for sample in samples])
        assert average == pytest.approx(samples[0][name].by_chance, rel=0.15)


def test_what_lies_beyond_the_table_has_moved_wholly_and_comes_first(
    table: pd.DataFrame, dataset: Dataset
) -> None:
    rows = [{**row, "amount": 1e6 + place} for place, row in enumerate(records(table))]
    moved = drifts(dataset, rows)
    assert next(iter(moved)) == "amount"
    assert moved["amount"].moved == pytest.approx(1)
    assert moved["amount"].now == pytest.approx(1e6 + ROWS / 2)
    assert moved["plan"].moved == pytest.approx(0)


def test_unknown_categories_and_gaps_count_as_moved(table: pd.DataFrame, dataset: Dataset) -> None:
    known = records(table)
    rows = [
        {**row, "plan": "of another firm" if place % 2 else row["plan"], "note": None}
        for place, row in enumerate(known)
    ]
    moved = drifts(dataset, rows)
    gaps = sum(row["note"] is None for row in known) / ROWS
    assert moved["note"].moved == pytest.approx(1 - gaps)
    # rare plans of the table are beyond the ten that its profile lists, where unknown ones are too
    rare = 1 - sum(count for _, count in dataset.profile[2]["top"]) / ROWS
    assert moved["plan"].moved == pytest.approx((1 - rare) / 2, abs=0.02)
    assert moved["plan"].now == pytest.approx(moved["plan"].then / 2, abs=0.02)


def test_without_rows_or_profile_there_is_nothing_to_tell(dataset: Dataset) -> None:
    assert drift.of_inputs(["amount"], dataset, []) == []
    assert drift.of_inputs(["unknown"], dataset, [{"unknown": 1}]) == []


@pytest.mark.parametrize("rows", [300, 500, 1_000])
def test_many_logged_rows_of_the_same_distribution_as_a_small_table_have_not_moved(rows: int) -> None:
    random = np.random.default_rng(rows)
    names = [f"x{number}" for number in range(20)]

    def draw(count: int) -> pd.DataFrame:
        return pd.DataFrame(random.normal(size=(count, len(names))), columns=names).assign(left="yes")

    far = []
    for _ in range(12):
        small = draw(rows)
        dataset = Dataset(rows=rows, profile=describe(small, "left"))
        found = drift.of_inputs(names, dataset, records(draw(5_000)))
        far += [item for item in found if item.is_far]
    assert len(far) <= 2
