"""Contracts in themselves: as JSON, as frames, and how they write values as text."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.support import tables
from training.ml.tables.contract import Contract, Feature, Kind, labels
from training.ml.tables.inference import infer


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, 0, 1], ["1", "0", "1"]),
        ([1.0, 0.0, 1.0], ["1", "0", "1"]),
        ([1.5, 0.0, 1.0], ["1.5", "0.0", "1.0"]),
        ([True, False, True], ["True", "False", "True"]),
        (["yes", "no", "yes"], ["yes", "no", "yes"]),
        ([1e20, 2e20, 1e20], ["1e+20", "2e+20", "1e+20"]),
    ],
    ids=["integers", "integers beside gaps", "numbers", "booleans", "texts", "beyond 64 bits"],
)
def test_labels_are_texts(column: list[object], expected: list[str]) -> None:
    assert labels(pd.Series(column)).tolist() == expected


@pytest.mark.parametrize("make", [tables.numbers, tables.texts, tables.mixed, tables.three_classes_with_gaps])
def test_contract_survives_json_and_accepts_its_own_example(make: Callable[[], pd.DataFrame]) -> None:
    contract = infer(make(), "label")
    read = Contract.from_dict(json.loads(json.dumps(contract.to_dict(), allow_nan=False)))
    assert read == contract
    assert read.check(read.example) == ([], [])


def test_prepared_table_is_numbers_and_texts_with_nan_for_gaps() -> None:
    table = tables.mixed()
    prepared = infer(table, "label").prepare(table)
    assert prepared.dtypes.astype(str).to_dict() == {
        "a": "float64",
        "visits": "float64",
        "member": "float64",
        "colour": "str",
    }
    assert prepared.isna().sum().to_dict() == table.drop(columns="label").isna().sum().to_dict()


def test_frame_of_records_equals_the_prepared_table() -> None:
    table = tables.mixed()
    contract = infer(table, "label")
    records = [
        {str(name): None if pd.isna(value) else value for name, value in record.items()}
        for record in table.drop(columns="label").to_dict("records")
    ]
    pd.testing.assert_frame_equal(contract.frame(records), contract.prepare(table))


def test_contract_written_before_strictness_was_a_choice_is_lenient() -> None:
    data = infer(tables.numbers(), "label").to_dict()
    del data["strict"]
    assert Contract.from_dict(data).strict is False


def test_codes_that_pandas_read_as_numbers_become_the_texts_of_their_category() -> None:
    codes = Feature("code", Kind.CATEGORY, True, "1", ("1", "2"))
    contract = Contract("label", (codes,), ("no", "yes"), {})
    table = pd.DataFrame({"code": [1.0, np.nan, 2.0], "label": ["yes", "no", "yes"]})
    assert contract.prepare(table)["code"].fillna("missing").tolist() == ["1", "missing", "2"]
