"""A table in figures."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.training.ml import tables
from training.ml.profile import BINS, TOP_VALUES, describe


def profile(values: Any) -> dict[str, Any]:
    (column,) = describe(pd.DataFrame({"column": values}))
    return column


def test_number_is_described_by_quantiles_and_a_histogram() -> None:
    found = profile([0.0, 1.0, 2.0, 3.0, 10.0, np.nan])
    assert (found["name"], found["missing"], found["distinct"]) == ("column", 1, 5)
    assert found["quantiles"] == [0.0, 1.0, 2.0, 3.0, 10.0]
    assert len(found["counts"]) == BINS
    assert sum(found["counts"]) == 5
    assert (found["edges"][0], found["edges"][-1], len(found["edges"])) == (0.0, 10.0, BINS + 1)


def test_text_is_described_by_its_most_frequent_values() -> None:
    found = profile(["b", "a", "b", None, "c", "b", "a"])
    assert (found["missing"], found["distinct"]) == (1, 3)
    assert found["top"] == [["b", 3], ["a", 2], ["c", 1]]


def test_boolean_is_described_by_its_values() -> None:
    assert profile([True, False, True])["top"] == [["True", 2], ["False", 1]]


def test_only_the_most_frequent_values_are_kept_and_long_ones_are_cut() -> None:
    found = profile([f"{'x' * 200}{number % 30}" for number in range(90)])
    assert found["distinct"] == 30
    assert len(found["top"]) == TOP_VALUES
    assert len(found["top"][0][0]) == 100


def test_column_without_values_is_described() -> None:
    assert profile([np.nan, np.nan]) == {"name": "column", "missing": 2, "distinct": 0, "top": []}


def test_constant_number_is_described() -> None:
    found = profile([7, 7, 7])
    assert found["quantiles"] == [7.0] * 5
    assert sum(found["counts"]) == 3


@pytest.mark.parametrize(
    "values",
    [[10**16, 10**16 + 2], [1_700_000_000_000_000_000 + step for step in range(50)], [2**63, 2**64 - 1]],
    ids=["close together", "nanoseconds", "unsigned"],
)
def test_whole_numbers_beyond_the_precision_of_floats_are_described(values: list[int]) -> None:
    found = profile(values)
    assert sum(found["counts"]) == len(values)
    assert found["quantiles"][0] == float(values[0])


def test_profile_is_json_in_the_order_of_the_columns() -> None:
    table = tables.mixed()
    found = json.loads(json.dumps(describe(table), allow_nan=False))
    assert [column["name"] for column in found] == list(table.columns)
