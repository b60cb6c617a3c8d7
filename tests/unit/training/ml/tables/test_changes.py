"""What changed between two tables: rows by their values, columns, and how far each moved."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from training.ml.tables.changes import compare_columns, count_common, hash_rows
from training.ml.tables.contract import Kind
from training.ml.tables.profile import describe
from training.ml.tables.shift import ColumnChange

ROWS = 2_000


def kinds(*tables: pd.DataFrame) -> dict[str, set[str]]:
    result: dict[str, set[str]] = {}
    for table in tables:
        for column in describe(table, str(table.columns[-1])):
            result.setdefault(column["name"], set()).add(column["kind"])
    return {name: result[name] for name in result if all(name in table for table in tables)}


def common(old: pd.DataFrame, new: pd.DataFrame) -> int:
    shared = kinds(old, new)
    return count_common(hash_rows(old, shared), hash_rows(new, shared))


def changes(old: pd.DataFrame, new: pd.DataFrame) -> dict[str, ColumnChange]:
    target = str(old.columns[-1])
    found = compare_columns(describe(old, target), describe(new, target), len(old), new)
    return {change.name: change for change in found}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "amount": random.gamma(2.0, 50.0, ROWS).round(2),
            "plan": pd.Series(random.choice(["basic", "plus", "pro"], ROWS)).where(random.random(ROWS) > 0.1),
            "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, ROWS), "D"),
            "member": random.random(ROWS) < 0.5,
            "left": random.choice(["yes", "no"], ROWS),
        }
    )


def test_rows_are_the_same_in_any_order_and_copies_count(table: pd.DataFrame) -> None:
    assert common(table, table.sample(frac=1, random_state=0)) == ROWS
    assert common(table, table.iloc[100:]) == ROWS - 100
    copies = pd.DataFrame({"a": [1, 1, 1, 2], "left": ["x"] * 4})
    assert common(copies, copies.iloc[[0, 1, 3, 3]]) == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1, 2, 3], [1.0, 2.0, np.nan]),
        ([True, False, True], pd.Series([True, False, np.nan], dtype=object)),
        ([0.0, 2.5, 1.0], [-0.0, 2.5, np.nan]),
        ([1, 2, 3], ["1", "2", "A3"]),
        (["a", "b", "c"], ["a", "b", np.nan]),
    ],
    ids=["integers with a gap", "truths with a gap", "zero", "numbers and codes", "texts with a gap"],
)
def test_equal_values_are_equal_in_every_type(before: Any, after: Any) -> None:
    old, new = (pd.DataFrame({"a": values, "left": ["x", "y", "z"]}) for values in (before, after))
    assert common(old, new) == 2


def test_rows_are_compared_by_the_columns_of_both(table: pd.DataFrame) -> None:
    assert common(table, table.assign(more=1)[["more", *table.columns]]) == ROWS


def test_same_table_has_not_moved(table: pd.DataFrame) -> None:
    found = changes(table, table)
    assert set(found) == set(table)
    assert all(change.change == "" for change in found.values())
    for change in found.values():
        assert change.shift is not None
        assert change.shift.moved == pytest.approx(0, abs=1e-9)
        assert change.shift.then == change.shift.now


def test_two_samples_of_one_source_moved_as_far_as_chance_says(table: pd.DataFrame) -> None:
    halves = [table.sample(frac=1, random_state=seed) for seed in range(40)]
    found = [changes(half.iloc[:1_000], half.iloc[1_000:]) for half in halves]
    for name in ("amount", "plan", "since"):
        shifts = [shift for item in found if (shift := item[name].shift)]
        assert np.mean([shift.moved for shift in shifts]) == pytest.approx(shifts[0].by_chance, rel=0.2)
        assert sum(shift.is_far for shift in shifts) <= 2


def test_moved_columns_come_first_with_their_middles(table: pd.DataFrame) -> None:
    later = table.assign(
        amount=table["amount"] * 3,
        since=table["since"] + pd.Timedelta(days=365),
        member=True,
    )
    found = changes(table, later)
    assert set(list(found)[:3]) == {"amount", "since", "member"}
    amount, since, member = (found[name].shift for name in ("amount", "since", "member"))
    assert amount
    assert since
    assert member
    assert amount.is_far
    assert amount.now == pytest.approx(3 * float(amount.then))
    assert since.moved > 0.8
    assert (str(since.then)[:4], str(since.now)[:4]) == ("2024", "2025")
    assert member.moved == pytest.approx(1 - (table["member"]).mean(), abs=0.01)


def test_truth_values_are_compared_with_those_of_earlier_profiles(table: pd.DataFrame) -> None:
    """Releases up to 0.2.0 wrote True and False."""
    before = describe(table, "left")
    early = [
        {**column, "top": [[text.capitalize(), count] for text, count in column["top"]]}
        if column["kind"] == Kind.BOOLEAN
        else column
        for column in before
    ]
    for profiles in (before, early):
        found = compare_columns(profiles, before, len(table), table)
        shift = next(change.shift for change in found if change.name == "member")
        assert shift
        assert (shift.moved, shift.value) == (0, before[3]["top"][0][0])
        assert shift.value in {"true", "false"}


def test_columns_that_came_went_or_are_read_otherwise_are_named_first(table: pd.DataFrame) -> None:
    later = table.drop(columns="plan").assign(more=1.5, amount=table["amount"].round().astype(int))
    later["since"] = "unknown"
    found = changes(table, later[["amount", "since", "member", "more", "left"]])
    assert {name: change.change for name, change in found.items() if change.change} == {
        "plan": "removed",
        "more": "added",
        "amount": "kind",
        "since": "kind",
    }
    assert [change.change != "" for change in found.values()] == [True] * 4 + [False] * 2
    assert found["since"].shift is None
    assert found["amount"].shift


def test_a_column_that_became_decimals_has_the_same_rows_where_the_numbers_are_equal() -> None:
    whole, decimals = pd.DataFrame({"x": [1, 2, 3]}), pd.DataFrame({"x": [1.0, 2.5, 3.0]})
    both = {"x": {Kind.INTEGER, Kind.NUMBER}}
    assert count_common(hash_rows(whole, both), hash_rows(decimals, both)) == 2
