"""A table in figures."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.support import tables
from training.ml.tables.profile import BINS, COLUMNS_BY_CLASS, SHOWN_CLASSES, TOP_VALUES, describe


def profile(values: Any) -> dict[str, Any]:
    column, _ = describe(pd.DataFrame({"column": values}).assign(label="a"), "label")
    return column


def test_number_is_described_by_quantiles_and_a_histogram() -> None:
    result = profile([0.0, 1.0, 2.0, 3.0, 10.0, np.nan])
    assert (result["name"], result["missing"], result["distinct"]) == ("column", 1, 5)
    assert result["quantiles"] == [0.0, 1.0, 2.0, 3.0, 10.0]
    assert len(result["counts"]) == BINS
    assert sum(result["counts"]) == 5
    assert (result["edges"][0], result["edges"][-1], len(result["edges"])) == (0.0, 10.0, BINS + 1)


def test_text_is_described_by_its_most_frequent_values() -> None:
    result = profile(["b", "a", "b", None, "c", "b", "a"])
    assert (result["missing"], result["distinct"]) == (1, 3)
    assert result["top"] == [["b", 3], ["a", 2], ["c", 1]]


def test_boolean_is_described_by_its_values() -> None:
    assert profile([True, False, True])["top"] == [["true", 2], ["false", 1]]


def test_only_the_most_frequent_values_are_kept_and_long_ones_are_cut() -> None:
    result = profile([f"{'x' * 200}{number % 30}" for number in range(90)])
    assert result["distinct"] == 30
    assert len(result["top"]) == TOP_VALUES
    assert len(result["top"][0][0]) == 100


def test_column_without_values_is_described() -> None:
    expected = {"name": "column", "kind": "empty", "missing": 2, "distinct": 0, "top": []}
    assert profile([np.nan, np.nan]) == expected


def test_constant_number_is_described() -> None:
    result = profile([7, 7, 7])
    assert result["quantiles"] == [7.0] * 5
    assert sum(result["counts"]) == 3


@pytest.mark.parametrize(
    "values",
    [[10**16, 10**16 + 2], [1_700_000_000_000_000_000 + step for step in range(50)], [2**63, 2**64 - 1]],
    ids=["close together", "nanoseconds", "unsigned"],
)
def test_whole_numbers_beyond_the_precision_of_floats_are_described(values: list[int]) -> None:
    result = profile(values)
    assert sum(result["counts"]) == len(values)
    assert result["quantiles"][0] == float(values[0])


def test_profile_is_json_in_the_order_of_the_columns() -> None:
    table = tables.mixed()
    result = json.loads(json.dumps(describe(table, "label"), allow_nan=False))
    assert [column["name"] for column in result] == list(table.columns)


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1.5, 2], "number"), ([1, 2], "integer"), ([True, False], "boolean"), (["a", "b"], "category")],
)
def test_kind_of_a_column_is_that_of_its_values(values: list[Any], kind: str) -> None:
    assert profile(values)["kind"] == kind


def by_class(values: list[Any], label: list[Any]) -> list[dict[str, Any]]:
    column, target = describe(pd.DataFrame({"column": values, "label": label}), "label")
    assert "by_class" not in target
    result: list[dict[str, Any]] = column["by_class"]
    return result


def test_numbers_of_each_class_are_counted_over_the_same_edges() -> None:
    no, yes = by_class([0.0, 1.0, 19.0, 20.0, np.nan, 7.0], ["no", "no", "no", "yes", "yes", None])
    assert (no["label"], no["rows"], no["median"]) == ("no", 3, 1.0)
    assert (no["counts"][0], no["counts"][1], no["counts"][19], sum(no["counts"])) == (1, 1, 1, 3)
    assert (yes["label"], yes["rows"], yes["counts"][19], sum(yes["counts"])) == ("yes", 1, 1, 1)


def test_texts_of_each_class_are_counted_in_the_order_of_the_most_frequent() -> None:
    no, yes = by_class(["a", "b", "b", "b", "a", None], ["no", "no", "no", "yes", "yes", "no"])
    assert no == {"label": "no", "rows": 3, "counts": [2, 1]}
    assert yes == {"label": "yes", "rows": 2, "counts": [1, 1]}


def test_class_without_a_value_has_no_median() -> None:
    _, yes = by_class([1.0, 2.0, np.nan], ["no", "no", "yes"])
    assert (yes["rows"], yes["median"]) == (0, None)


def test_classes_read_as_they_do_in_the_contract() -> None:
    assert [item["label"] for item in by_class([1, 2, 3], [1.0, 1.0, np.nan])] == ["1"]


def test_profile_of_many_classes_and_columns_stays_small() -> None:
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(300, 1_200))).assign(label=random.integers(0, 100, 300))
    result = describe(table, "label")
    assert {len(column["by_class"]) for column in result[:COLUMNS_BY_CLASS]} == {SHOWN_CLASSES}
    assert all("by_class" not in column for column in result[COLUMNS_BY_CLASS:])
    assert len(json.dumps(result)) / len(result) < 2_500


@given(
    st.integers(1, 60).flatmap(
        lambda rows: st.tuples(
            st.one_of(
                arrays(np.float64, rows, elements=st.floats(-1e30, 1e30) | st.just(np.nan)),
                arrays(np.int64, rows, elements=st.integers(-(2**53), 2**53)),
                arrays(np.float64, rows, elements=st.integers(-3, 3).map(float)),
            ),
            st.lists(st.sampled_from(["a", "b", "c", None]), min_size=rows, max_size=rows),
        )
    )
)
@settings(max_examples=100, deadline=None)
def test_figures_of_sorted_numbers_are_those_of_numpy(values: tuple[Any, list[Any]]) -> None:
    column, labels = values
    present = column[~np.isnan(column)].astype(float)
    if not len(present) or not any(labels):
        return
    table = pd.DataFrame({"column": column, "label": pd.Series(labels, dtype="str")})
    result, _ = describe(table, "label")
    try:
        counts, edges = np.histogram(present, BINS)
    except ValueError:  # too few floats between the values
        counts, edges = np.array([len(present)]), np.array([present.min(), present.max()])
    assert result["quantiles"] == np.quantile(present, [0, 0.25, 0.5, 0.75, 1]).tolist()
    assert (result["counts"], result["edges"]) == (counts.tolist(), edges.tolist())
    assert result["distinct"] == len(np.unique(present))
    for group in result["by_class"]:
        chosen = column[(table["label"] == group["label"]).to_numpy() & ~np.isnan(column)].astype(float)
        bins = np.histogram(chosen, BINS, (edges[0], edges[-1]))[0] if len(edges) > 2 else [len(chosen)]
        assert (group["rows"], group["counts"]) == (len(chosen), list(bins))
        assert group["median"] == (np.median(chosen) if len(chosen) else None)
