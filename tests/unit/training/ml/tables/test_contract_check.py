"""The values of one record against the contract: what is an error, what is a warning."""

import math
from typing import Any

import pytest

from training.ml.tables.contract import MAX_TEXT, Contract, Feature, Kind

AMOUNT = Feature("amount", Kind.NUMBER, False, 1.5, (), 0.0, 10.0)
VISITS = Feature("visits", Kind.INTEGER, False, 2, (), 0, 10)
MEMBER = Feature("member", Kind.BOOLEAN, False, True)
PLAN = Feature("plan", Kind.CATEGORY, False, "basic", ("basic", "pro"))
CONTRACT = Contract("left", (AMOUNT, VISITS, MEMBER, PLAN), ("no", "yes"), {})

NOT_NUMBERS = [True, False, "1", "nan", "1_000", "\N{ARABIC-INDIC DIGIT ONE}", "", [], [1], {}, {"value": 1}]
NOT_FINITE = [math.nan, math.inf, -math.inf, 10**4_999, -(10**4_999)]


def error_code(feature: Feature, value: Any) -> str | None:
    error, warning = feature.check(value)
    assert error is None or warning is None
    return error.code if error else None


def warning_code(feature: Feature, value: Any) -> str | None:
    error, warning = feature.check(value)
    assert error is None
    return warning.code if warning else None


def codes(**changes: Any) -> list[tuple[str, str]]:
    """The errors of the example record with these changes, as (feature, code)."""
    errors, _ = CONTRACT.check({**CONTRACT.example, **changes})
    return [(error.feature, error.code) for error in errors]


@pytest.mark.parametrize("feature", [AMOUNT, VISITS], ids=["number", "integer"])
@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
def test_only_json_numbers_are_numbers(feature: Feature, value: Any) -> None:
    assert error_code(feature, value) == "not_a_number"


@pytest.mark.parametrize("feature", [AMOUNT, VISITS], ids=["number", "integer"])
@pytest.mark.parametrize(
    "value", NOT_FINITE, ids=["nan", "inf", "-inf", "5,000 digits", "minus 5,000 digits"]
)
def test_number_that_is_not_finite_is_refused(feature: Feature, value: Any) -> None:
    assert error_code(feature, value) == "not_finite"


@pytest.mark.parametrize("value", [0, 10, 3.25, 2.0, -0.0])
def test_whole_and_broken_numbers_are_numbers(value: float) -> None:
    assert AMOUNT.check(value) == (None, None)


@pytest.mark.parametrize("value", [0, 10, 2.0])
def test_whole_number_may_be_written_with_a_point(value: float) -> None:
    assert VISITS.check(value) == (None, None)


def test_broken_number_is_no_integer_and_is_quoted() -> None:
    error, _ = VISITS.check(2.5)
    assert error is not None
    assert (error.code, error.message) == ("not_an_integer", "expected a whole number, got 2.5")


@pytest.mark.parametrize("feature", [AMOUNT, VISITS], ids=["number", "integer"])
@pytest.mark.parametrize("value", [-1, 11, 2**63])
def test_number_outside_the_training_range_is_a_warning(feature: Feature, value: int) -> None:
    assert warning_code(feature, value) == "out_of_range"


def test_out_of_range_says_what_training_saw() -> None:
    _, warning = VISITS.check(11)
    assert warning is not None
    assert warning.message == "11 is outside the training range: training saw 0 to 10"


@pytest.mark.parametrize("value", [True, False])
def test_true_and_false_are_booleans(value: bool) -> None:
    assert MEMBER.check(value) == (None, None)


@pytest.mark.parametrize(
    "value",
    [1, 0, 1.0, "true", "", [], {}, math.nan, 10**4_999],
    ids=lambda value: str(value)[:9] if isinstance(value, str) else type(value).__name__,
)
def test_nothing_else_is_a_boolean(value: Any) -> None:
    assert error_code(MEMBER, value) == "not_a_boolean"


@pytest.mark.parametrize(
    "value", [1, 1.5, True, math.nan, [], ["basic"], {}, 10**4_999], ids=lambda value: type(value).__name__
)
def test_only_text_is_a_category(value: Any) -> None:
    assert error_code(PLAN, value) == "not_text"


def test_known_category_is_taken_as_it_is() -> None:
    assert PLAN.check("pro") == (None, None)


@pytest.mark.parametrize(
    "value", ["", "Pro", " pro", "gold", "日本", "x" * MAX_TEXT], ids=lambda value: value[:5]
)
def test_unknown_category_is_a_warning(value: str) -> None:
    assert warning_code(PLAN, value) == "unknown_category"


def test_unknown_category_is_quoted_beside_those_known() -> None:
    _, warning = PLAN.check("gold")
    assert warning is not None
    assert warning.message == '"gold" is not in the training data; known values: basic, pro'


def test_text_beyond_the_limit_is_refused_without_repeating_it() -> None:
    error, _ = PLAN.check("x" * 1_000_000)
    assert error is not None
    assert error.code == "too_long"
    assert len(error.message) < 200


@pytest.mark.parametrize("value", ["pro\0", "\ud800"], ids=["NUL", "half of a surrogate pair"])
def test_text_that_no_database_keeps_is_refused(value: str) -> None:
    assert error_code(PLAN, value) == "invalid_text"


@pytest.mark.parametrize("feature", CONTRACT.features, ids=lambda feature: feature.kind)
def test_null_is_refused_where_training_saw_none(feature: Feature) -> None:
    assert error_code(feature, None) == "null_not_allowed"


@pytest.mark.parametrize("kind", Kind)
def test_null_is_taken_where_training_saw_some(kind: Kind) -> None:
    assert Feature("sparse", kind, True, "x").check(None) == (None, None)


def test_example_is_accepted() -> None:
    assert CONTRACT.check(CONTRACT.example) == ([], [])


@pytest.mark.parametrize("name", CONTRACT.names)
def test_missing_feature_is_named(name: str) -> None:
    record = {key: value for key, value in CONTRACT.example.items() if key != name}
    errors, _ = CONTRACT.check(record)
    assert [(error.feature, error.code) for error in errors] == [(name, "missing")]


@pytest.mark.parametrize("name", ["colour", "__proto__", "constructor", "", "a\0b", "left", "PLAN"], ids=repr)
def test_unknown_feature_is_named(name: str) -> None:
    assert codes(**{name: 1}) == [(name, "unknown_feature")]


def test_feature_under_another_name_is_missing_and_unknown() -> None:
    record = {**CONTRACT.example, "Plan": CONTRACT.example["plan"]}
    del record["plan"]
    errors, _ = CONTRACT.check(record)
    assert [(error.feature, error.code) for error in errors] == [
        ("plan", "missing"),
        ("Plan", "unknown_feature"),
    ]


def test_long_unknown_name_is_cut() -> None:
    (error,), _ = CONTRACT.check({**CONTRACT.example, "x" * 100_000: 1})
    assert len(error.feature) == MAX_TEXT
    assert len(error.message) < 200


def test_every_fault_of_a_record_is_reported() -> None:
    result = codes(amount="1", visits=2.5, member=1, plan=None, extra=0)
    assert result == [
        ("amount", "not_a_number"),
        ("visits", "not_an_integer"),
        ("member", "not_a_boolean"),
        ("plan", "null_not_allowed"),
        ("extra", "unknown_feature"),
    ]


def test_warnings_of_good_features_stand_beside_errors_of_others() -> None:
    errors, warnings = CONTRACT.check({**CONTRACT.example, "amount": None, "plan": "gold"})
    assert [error.feature for error in errors] == ["amount"]
    assert [warning.feature for warning in warnings] == ["plan"]


def test_record_may_be_in_any_order() -> None:
    record = dict(reversed(CONTRACT.example.items()))
    assert CONTRACT.check(record) == ([], [])
    assert list(CONTRACT.frame([record]).columns) == CONTRACT.names
