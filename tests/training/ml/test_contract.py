"""What is read off a table: kinds, ranges, classes, and which columns are left out and why."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.training.ml import tables
from training.ml.contract import MAX_CLASSES, MAX_TEXT, Contract, ContractError, Feature, Kind, infer, labels

ROWS = 40


def with_label(**columns: object) -> pd.DataFrame:
    """A table of 40 rows in two classes, with these columns beside the column `label`."""
    return pd.DataFrame({**columns, "label": ["yes", "no"] * (ROWS // 2)})


def only_feature(values: object) -> Feature:
    (feature,) = infer(with_label(column=values), "label").features
    return feature


def reason(values: object) -> str:
    """Why a column with these values is left out."""
    return infer(with_label(column=values, other=[1, 2, 3, 4] * (ROWS // 4)), "label").left_out["column"]


def test_integer_knows_its_range_and_starts_from_the_median() -> None:
    assert only_feature([0, 2, 2, 9] * 10) == Feature("column", Kind.INTEGER, False, 2, (), 0, 9)


def test_number_knows_its_range_and_starts_from_the_median() -> None:
    feature = only_feature([0.5, 1.5, 1.5, 9.0] * 10)
    assert feature == Feature("column", Kind.NUMBER, False, 1.5, (), 0.5, 9.0)


def test_boolean_starts_from_the_more_frequent_value() -> None:
    assert only_feature([True, True, False, True] * 10) == Feature("column", Kind.BOOLEAN, False, True)


def test_text_knows_its_categories_in_order_and_starts_from_the_most_frequent() -> None:
    feature = only_feature(["b", "c", "c", "a"] * 10)
    assert feature == Feature("column", Kind.CATEGORY, False, "c", ("a", "b", "c"))


def test_integers_with_gaps_are_numbers_that_may_be_missing() -> None:
    feature = only_feature([1.0, 2.0, np.nan, 3.0] * 10)
    assert (feature.kind, feature.missing, feature.default) == (Kind.NUMBER, True, 2.0)


def test_booleans_with_gaps_stay_booleans() -> None:
    feature = only_feature(pd.Series([True, False, np.nan, True] * 10, dtype=object))
    assert (feature.kind, feature.missing, feature.default) == (Kind.BOOLEAN, True, True)


def test_gaps_in_rows_without_a_label_do_not_count() -> None:
    table = with_label(column=[1, 2] * 20).astype({"column": float})
    table.loc[0, ["column", "label"]] = np.nan
    assert infer(table, "label").features[0].missing is False


def test_names_keep_their_spaces_and_letters() -> None:
    table = with_label(**{"größe": [1.5, 2.5] * 20, " label ": [1.5, 2.5] * 20, "名前": ["あ", "い"] * 20})
    assert infer(table, "label").names == ["größe", " label ", "名前"]


def test_target_that_is_absent_is_quoted_beside_the_columns_there_are() -> None:
    with pytest.raises(ContractError, match='no column "Label" to predict; the table has: column, label'):
        infer(with_label(column=[1, 2] * 20), "Label")


def test_one_class_is_refused_by_its_name() -> None:
    table = with_label(column=[1, 2] * 20).assign(label="yes")
    with pytest.raises(ContractError, match=r'one class only \("yes"\)'):
        infer(table, "label")


def test_target_without_any_label_is_refused() -> None:
    table = with_label(column=[1, 2] * 20).assign(label=np.nan)
    with pytest.raises(ContractError, match="is empty"):
        infer(table, "label")


def test_more_classes_than_the_limit_are_refused_with_a_question() -> None:
    def table(classes: int) -> pd.DataFrame:
        return pd.DataFrame({"column": [1, 2] * classes, "label": [*range(classes)] * 2})

    assert len(infer(table(MAX_CLASSES), "label").classes) == MAX_CLASSES
    with pytest.raises(ContractError, match=r"101 different values.*a number to estimate"):
        infer(table(MAX_CLASSES + 1), "label")


def test_label_longer_than_a_text_may_be_is_refused() -> None:
    table = with_label(column=[1, 2] * 20).replace({"label": {"no": "n" * (MAX_TEXT + 1)}})
    with pytest.raises(ContractError, match="1,001 characters"):
        infer(table, "label")


def test_table_of_the_target_alone_is_refused() -> None:
    with pytest.raises(ContractError, match="the target is the only column"):
        infer(with_label(), "label")


def test_table_without_a_usable_feature_is_refused_with_the_reasons() -> None:
    with pytest.raises(ContractError, match="column: every value is missing"):
        infer(with_label(column=np.nan), "label")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([np.nan] * ROWS, "every value is missing"),
        ([7] * ROWS, "every value is the same"),
        (["x", None] * 20, 'every value is the same ("x")'),
        (range(5_000, 5_000 + ROWS), "identifier-like: 40 whole numbers in a row"),
        (np.random.default_rng(0).permutation(ROWS), "identifier-like: 40 whole numbers in a row"),
        ([f"customer {number}" for number in range(ROWS)], "identifier-like: 40 different texts in 40 rows"),
        ([f"2026-01-{day:02}" for day in range(ROWS)], "identifier-like: 40 different texts in 40 rows"),
    ],
    ids=["missing", "constant", "constant with gaps", "counter", "shuffled counter", "names", "dates"],
)
def test_column_that_says_nothing_is_left_out_with_its_reason(values: object, expected: str) -> None:
    assert reason(values).startswith(expected)


def test_prose_is_left_out_with_its_reason() -> None:
    prose = [f"note {number % 60}" for number in range(100)]
    table = pd.DataFrame({"note": prose, "size": [1, 2, 3, 4] * 25, "label": ["yes", "no"] * 50})
    assert infer(table, "label").left_out == {"note": "free text: 60 different texts in 100 rows"}


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(size=ROWS),
        np.random.default_rng(0).permutation(ROWS) * 3,
        [f"c{number % 20}" for number in range(ROWS)],
    ],
    ids=["all different numbers", "whole numbers with steps", "many categories"],
)
def test_column_of_many_values_is_kept_where_it_may_describe(values: object) -> None:
    assert only_feature(values).name == "column"


def test_few_rows_that_count_up_are_no_identifier() -> None:
    table = pd.DataFrame({"column": [1, 2, 3, 4], "label": ["yes", "no"] * 2})
    assert infer(table, "label").names == ["column"]


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


def test_classes_are_sorted_and_the_last_of_two_is_positive() -> None:
    contract = infer(tables.numbers(), "label")
    assert (contract.classes, contract.positive) == (("no", "yes"), "yes")


def test_three_classes_have_no_positive_one() -> None:
    assert infer(tables.three_classes(), "label").positive is None


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
        "colour": "object",
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
