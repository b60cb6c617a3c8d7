"""Many rows against the contract at once: nothing but the time differs from judging them one by one."""

import math
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from training.ml.files.cells.joining import join
from training.ml.tables.checks import Checked, check_cells, check_records, read_cell
from training.ml.tables.contract import LARGEST, MAX_TEXT, Contract, Feature, FeatureProblem, Kind
from training.ml.tables.digits import EXACT

AMOUNT = Feature("amount", Kind.NUMBER, True, 1.5, (), 0.0, 10.0)
VISITS = Feature("visits", Kind.INTEGER, False, 2, (), 0, 10)
MEMBER = Feature("member", Kind.BOOLEAN, True, True)
ACTIVE = Feature("active", Kind.BOOLEAN, False, True)
PLAN = Feature("50 % plan", Kind.CATEGORY, False, "basic", ("basic", "pro", "7"))
AREA = Feature("area", Kind.CATEGORY, True, "north", ("NA", "north"))
CONTRACT = Contract("left", (AMOUNT, VISITS, MEMBER, ACTIVE, PLAN, AREA), ("no", "yes"), {})

VALUES: list[Any] = [
    *(None, True, False, 0, 1, 5, 10, 11, -1, 2.0, 2.5, 10.5, -0.0, 2**53, 2**53 + 1, 10**31, 10**400, 1e31),
    *(math.nan, math.inf, -math.inf, "", "5", "true", "basic", "pro", "7", "NA", "north", "unseen", "nul\0"),
    *("x" * (MAX_TEXT + 1), "half \ud800", [], [1], {}, {"a": 1}, [[1], [2]]),
]
CELLS = [
    *(
        "",
        " ",
        "NA",
        " NA ",
        "nan",
        "NaN",
        "-nan",
        "+nan",
        "inf",
        "-Infinity",
        "1e999",
        "1e31",
        "null",
        "None",
    ),
    *(
        "0",
        "5",
        " 5 ",
        "+5",
        "5.",
        ".5",
        "5.0",
        "005",
        "-0",
        "11",
        "10.5",
        "1_0",
        "1,5",
        "\N{ARABIC-INDIC DIGIT FIVE}",
        "--1",
        "1e2e3",
    ),
    *(
        "true",
        "True",
        "FALSE",
        "yes",
        "basic",
        "pro",
        " pro",
        "7",
        "north",
        "unseen",
        "=1+1",
        '"',
        "[1]",
        "\\",
    ),
    *("9" * 17, "9" * 20, "9" * 400, str(EXACT + 1), "0.1", "1e-400", "x" * (MAX_TEXT + 1)),
]
STRICT = pytest.mark.parametrize("strict", [False, True], ids=["warning", "strict"])


def one_by_one(records: list[dict[str, Any]], *, strict: bool) -> tuple[dict[int, list[FeatureProblem]], ...]:
    """What the contract says of each record alone."""
    errors, warnings = {}, {}
    for row, record in enumerate(records):
        wrong, odd = CONTRACT.check(record)
        if strict:
            wrong, odd = wrong + odd, []
        if wrong:
            errors[row] = wrong
        if odd:
            warnings[row] = odd
    return errors, warnings


def remarks(checked: Checked) -> tuple[dict[int, Any], dict[int, Any]]:
    return dict(checked.errors), dict(checked.warnings)


def drawn(values: list[Any], seed: int, rows: int = 400) -> list[list[Any]]:
    """Rows in which most values are good ones and some anything."""
    random = np.random.default_rng(seed)
    example = list(CONTRACT.example.values())
    return [
        [values[random.integers(len(values))] if random.random() < 0.2 else good for good in example]
        for _ in range(rows)
    ]


@STRICT
@pytest.mark.parametrize("seed", range(5))
def test_records_get_the_remarks_that_each_gets_alone(seed: int, strict: bool) -> None:
    records = [dict(zip(CONTRACT.names, row, strict=True)) for row in drawn(VALUES, seed)]
    assert remarks(check_records(CONTRACT, records, strict=strict)) == one_by_one(records, strict=strict)


@STRICT
@pytest.mark.parametrize("feature", CONTRACT.features, ids=CONTRACT.names)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20] if value != 10**400 else "huge")
def test_column_of_one_value_gets_its_remark_in_every_row(feature: Feature, value: Any, strict: bool) -> None:
    records = [{**CONTRACT.example, feature.name: value}] * 3
    assert remarks(check_records(CONTRACT, records, strict=strict)) == one_by_one(records, strict=strict)


def test_records_with_other_features_are_refused_beside_good_ones() -> None:
    example = CONTRACT.example
    records = [
        example,
        {name: example[name] for name in CONTRACT.names[1:]},
        {**example, "colour": "red"},
        {},
        {**example, "visits": None, "__proto__": 1},
    ]
    checked = check_records(CONTRACT, records)
    assert remarks(checked) == one_by_one(records, strict=False)
    assert checked.accepted().tolist() == [True, False, False, False, False]


def test_frame_of_accepted_records_is_that_of_the_contract() -> None:
    records = [dict(zip(CONTRACT.names, row, strict=True)) for row in drawn(VALUES, 1)]
    checked = check_records(CONTRACT, records)
    good = [record for row, record in enumerate(records) if row not in checked.errors]
    assert 0 < len(good) < len(records)
    pd.testing.assert_frame_equal(checked.frame(), CONTRACT.frame(good))


@STRICT
@pytest.mark.parametrize("seed", range(5))
def test_cells_get_the_remarks_that_each_record_gets_alone(seed: int, strict: bool) -> None:
    rows = drawn(CELLS, seed)
    texts = [[str(cell) for cell in row] for row in rows]
    records = [
        {feature.name: read_cell(feature, cell) for feature, cell in zip(CONTRACT.features, row, strict=True)}
        for row in texts
    ]
    checked = check_cells(CONTRACT, list(zip(*texts, strict=True)), strict=strict)
    assert remarks(checked) == one_by_one(records, strict=strict)
    good = [record for row, record in enumerate(records) if row not in checked.errors]
    pd.testing.assert_frame_equal(checked.frame(), CONTRACT.frame(good))
    assert [orjson.loads(text) for text in join(checked.records(), len(good))] == good


@pytest.mark.parametrize("feature", [AMOUNT, VISITS], ids=["number", "integer"])
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: repr(cell)[:20])
def test_a_cell_is_read_alike_among_plain_numbers_and_alone(feature: Feature, cell: str) -> None:
    contract = Contract("left", (feature,), ("no", "yes"), {})
    checked = check_cells(contract, [["1", cell, "2"]])
    value = read_cell(feature, cell)
    error, warning = feature.check(value)
    assert checked.errors.get(1, []) == ([error] if error else [])
    assert checked.warnings.get(1, []) == ([warning] if warning else [])
    if not error:
        result = checked.frame()[feature.name].tolist()
        np.testing.assert_array_equal(result, [1.0, math.nan if value is None else float(value), 2.0])


def test_numbers_are_kept_as_the_file_writes_them() -> None:
    contract = Contract("left", (AMOUNT, VISITS), ("no", "yes"), {})
    checked = check_cells(contract, [["1.50", "1e0", ""], ["1", "2.0", "3"]])
    assert list(join(checked.records(), 3)) == [
        '{"amount":1.50,"visits":1}',
        '{"amount":1e0,"visits":2.0}',
        '{"amount":null,"visits":3}',
    ]


def test_no_rows_are_no_rows() -> None:
    checked = check_cells(CONTRACT, [[] for _ in CONTRACT.features])
    assert (checked.rows, list(join(checked.records(), 0)), len(checked.frame())) == (0, [], 0)
    assert remarks(check_records(CONTRACT, [])) == ({}, {})


def test_numbers_beyond_single_ones_are_bounded_as_the_contract_bounds_them() -> None:
    contract = Contract("left", (Feature("size", Kind.NUMBER, False, 1.0),), ("no", "yes"), {})
    checked = check_cells(contract, [[f"{LARGEST:g}", "-1e30", "1.1e30"]])
    assert list(checked.errors) == [2]
