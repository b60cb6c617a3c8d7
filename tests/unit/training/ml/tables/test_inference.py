"""What is read off a table: kinds, ranges, classes, and which columns are left out and why."""

import numpy as np
import pandas as pd
import pytest

from tests.support import tables
from training.ml.tables.contract import MAX_CLASSES, MAX_TEXT, Contract, ContractError, Feature, Kind
from training.ml.tables.corrections import Choice, Corrections
from training.ml.tables.inference import correct, infer

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
    with pytest.raises(ContractError, match=r'only one class \("yes"\)'):
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
        (range(5_000, 5_000 + ROWS), "identifier-like: 40 consecutive whole numbers"),
        (np.random.default_rng(0).permutation(ROWS), "identifier-like: 40 consecutive whole numbers"),
        ([f"customer {number}" for number in range(ROWS)], "identifier-like: 40 different texts in 40 rows"),
        ([f"2026-01-{day:02}" for day in range(ROWS)], "identifier-like: 40 different texts in 40 rows"),
    ],
    ids=["missing", "constant", "counter", "shuffled counter", "names", "dates"],
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


def test_classes_are_sorted_and_the_last_of_two_is_positive() -> None:
    contract = infer(tables.numbers(), "label")
    assert (contract.classes, contract.positive) == (("no", "yes"), "yes")


def test_three_classes_have_no_positive_one() -> None:
    assert infer(tables.three_classes(), "label").positive is None


def test_long_list_of_columns_is_cut_in_messages() -> None:
    wide = pd.DataFrame({f"c{number}": [1, 2] for number in range(50)})
    with pytest.raises(ContractError, match=r"c19 and 30 more$"):
        infer(wide, "label")


CODES = [10, 20, 20, 30] * 10
TEXTS = [f"note {number}" for number in range(ROWS)]


def corrected(choice: Choice, values: object) -> Contract:
    """The contract of a column of these values beside another, with this choice for it."""
    table = with_label(column=values, other=[1.5, 2.5] * 20)
    corrections = Corrections({"column": choice})
    contract = infer(table, "label", corrections)
    assert correct(infer(table, "label"), table, corrections) == contract
    return contract


def test_column_is_left_out_by_choice() -> None:
    contract = corrected(Choice.LEAVE_OUT, CODES)
    assert (contract.names, contract.left_out) == (["other"], {"column": "left out by choice"})


def test_column_that_would_be_left_out_is_taken_in_in_its_place() -> None:
    contract = corrected(Choice.TAKE_IN, TEXTS)
    assert (contract.names, contract.left_out) == (["column", "other"], {})
    assert contract.features[0].categories == tuple(sorted(TEXTS))


def test_whole_numbers_become_categories_by_choice() -> None:
    feature = corrected(Choice.CATEGORY, CODES).features[0]
    assert feature == Feature("column", Kind.CATEGORY, False, "20", ("10", "20", "30"))


def test_whole_numbers_with_gaps_become_categories_without_a_fraction() -> None:
    feature = corrected(Choice.CATEGORY, [1.0, np.nan, 2.0, 2.0] * 10).features[0]
    assert feature == Feature("column", Kind.CATEGORY, True, "2", ("1", "2"))


def test_whole_numbers_become_numbers_with_fractions_by_choice() -> None:
    feature = corrected(Choice.NUMBER, CODES).features[0]
    assert feature == Feature("column", Kind.NUMBER, False, 20.0, (), 10.0, 30.0)


def test_counter_is_taken_in_as_a_number() -> None:
    assert corrected(Choice.NUMBER, range(ROWS)).features[0].kind is Kind.NUMBER


def test_strictness_is_part_of_the_contract() -> None:
    table = with_label(column=CODES)
    assert infer(table, "label", Corrections(strict=True)).strict
    assert correct(infer(table, "label"), table, Corrections(strict=True)).strict


def test_columns_that_are_not_corrected_stay_as_the_contract_has_them() -> None:
    table = with_label(column=CODES, zip=CODES)
    known = infer(table, "label", Corrections({"zip": Choice.CATEGORY}))
    contract = correct(known, table, Corrections({"column": Choice.NUMBER}))
    assert [feature.kind for feature in contract.features] == [Kind.NUMBER, Kind.CATEGORY]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"gone": Choice.CATEGORY}, 'no column "gone" to correct; the table has: column, empty, many, label'),
        ({"label": Choice.CATEGORY}, 'the column "label" is the target; only the other columns'),
        ({"empty": Choice.TAKE_IN}, 'the column "empty" has no value in any labelled row'),
        ({"empty": Choice.CATEGORY}, 'the column "empty" has no value in any labelled row'),
        ({"column": Choice.NUMBER}, 'the column "column" holds "a" and cannot be a number'),
        ({"many": Choice.TAKE_IN}, "12,000 different values; a category can have at most 10,000"),
        ({"column": Choice.LEAVE_OUT}, "no column is left as an input .*column: left out by choice"),
    ],
    ids=["unknown", "target", "taken in", "as a category", "texts as numbers", "too many", "nothing left"],
)
def test_correction_that_cannot_be_is_refused_by_its_column(columns: dict[str, Choice], message: str) -> None:
    rows = 12_000
    table = pd.DataFrame(
        {
            "column": ["a", "b"] * (rows // 2),
            "empty": np.nan,
            "many": [f"text {number}" for number in range(rows)],
            "label": ["yes", "no"] * (rows // 2),
        }
    )
    with pytest.raises(ContractError, match=message):
        infer(table, "label", Corrections(columns))
    with pytest.raises(ContractError, match=message):
        correct(infer(table, "label"), table, Corrections(columns))


@pytest.mark.parametrize("value", ["X", 1, 1.5], ids=str)
def test_column_of_one_value_or_empty_is_a_flag(value: object) -> None:
    contract = infer(
        with_label(column=[value, None] * (ROWS // 2), other=[1, 2, 3, 4] * (ROWS // 4)), "label"
    )
    (flag,) = [feature for feature in contract.features if feature.name == "column"]
    assert (flag.kind, flag.categories, flag.missing) == (Kind.CATEGORY, (str(value),), True)


def test_similar_categories_are_merged_where_that_is_chosen() -> None:
    cities = ["Oslo", "oslo", "OSLO ", "Bergen", "Bergen", "Oslo"] * 10
    table = with_label(city=cities[:ROWS], other=[1, 2, 3, 4] * (ROWS // 4))
    contract = infer(table, "label", Corrections({"city": Choice.MERGE}))
    city = contract.features[0]
    assert city.categories == ("Bergen", "Oslo")
    assert [city.spelled(text) for text in ("OSLO ", "oSlO", "Oslo", "Paris")] == [
        "Oslo",
        "Oslo",
        "Oslo",
        "Paris",
    ]
    assert set(contract.prepare(table)["city"]) == {"Bergen", "Oslo"}
    assert contract.check({"city": " oslo", "other": 1}) == ([], [])
    assert Contract.from_dict(contract.to_dict()) == contract
