"""The caller's own key: what is accepted, where a record has it, and which time names which prediction."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from predictions.log import references
from predictions.log.references import end_of, name_in, problem_of, split, take_cells
from predictions.models import Prediction
from tests.support.factories import tiny


@pytest.mark.parametrize(
    "value", ["A-1", "1", "x" * 200, "é 1", "=1+1", "'", "\U0001f600", "a b", "a\u00a0b"]
)
def test_a_text_of_up_to_200_characters_is_accepted(value: str) -> None:
    assert problem_of(value) is None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1, "not_text"),
        (True, "not_text"),
        (1.5, "not_text"),
        (["A"], "not_text"),
        ({}, "not_text"),
        ("", "empty"),
        (" \t", "empty"),
        ("x" * 201, "too_long"),
        ("a\x00b", "invalid_text"),
        ("a\nb", "invalid_text"),
        ("a\x7f", "invalid_text"),
        ("a\u2028b", "invalid_text"),
        ("a\ud800b", "invalid_text"),
        (" a", "invalid_text"),
        ("a ", "invalid_text"),
    ],
)
def test_other_values_are_refused_with_the_reason(value: Any, code: str) -> None:
    problem = problem_of(value, "clfsite_reference")
    assert problem
    assert (problem.feature, problem.code) == ("clfsite_reference", code)


def test_an_empty_cell_is_a_row_without_one_and_space_around_it_is_ignored() -> None:
    taken = take_cells([" A-1 ", "", "  ", "x" * 201])
    assert taken.values == ["A-1", None, None, None]
    assert list(taken.problems) == [3]


def test_the_member_beside_an_input_or_label_of_that_name_has_another_name() -> None:
    contract = tiny().contract
    assert name_in(contract) == "reference"
    assert name_in(replace(contract, target="reference")) == "clfsite_reference"
    features = (replace(contract.features[0], name="reference"), *contract.features[1:])
    assert name_in(replace(contract, features=features)) == "clfsite_reference"
    # a column that training left out is free for the caller's own key
    assert name_in(replace(contract, left_out={"reference": "an id"})) == "reference"


def test_records_are_parted_without_changing_them() -> None:
    records: list[dict[str, Any]] = [
        {"spend": 1, "reference": "A"},
        {"spend": 2},
        {"spend": 3, "reference": None},
    ]
    plain, taken = split(records, tiny().contract, "records.{row}")
    assert plain == [{"spend": 1}, {"spend": 2}, {"spend": 3}]
    assert taken
    assert (taken.values, taken.problems, taken.path) == (["A", None, None], {}, "records.{row}")
    assert records[0] == {"spend": 1, "reference": "A"}
    assert split(plain, tiny().contract, "") == (plain, None)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-07-31", datetime(2026, 8, 1, tzinfo=UTC)),
        ("2026-07-31T14:30", datetime(2026, 7, 31, 14, 31, tzinfo=UTC)),
        ("2026-07-31T14:30Z", datetime(2026, 7, 31, 14, 31, tzinfo=UTC)),
        ("2026-07-31 14:30:05", datetime(2026, 7, 31, 14, 30, 6, tzinfo=UTC)),
        ("2026-07-31T14:30:05+02:00", datetime(2026, 7, 31, 12, 30, 6, tzinfo=UTC)),
        ("2026-07-31T14:30:05.2", datetime(2026, 7, 31, 14, 30, 5, 300_000, tzinfo=UTC)),
        ("2026-07-31T14:30:05.123456Z", datetime(2026, 7, 31, 14, 30, 5, 123_457, tzinfo=UTC)),
        ("2026-07-31T14:30:05,25-01:30", datetime(2026, 7, 31, 16, 0, 5, 260_000, tzinfo=UTC)),
    ],
)
def test_a_time_covers_the_day_minute_second_or_fraction_that_it_names(text: str, end: datetime) -> None:
    assert end_of(text) == end


def test_the_last_time_there_is_has_no_end_after_it() -> None:
    assert end_of("9999-12-31") == datetime(9999, 12, 31, tzinfo=UTC)
    with pytest.raises(ValueError, match="expected a date or time"):
        end_of("yesterday")


def test_the_longest_reference_fits_its_column() -> None:
    assert Prediction._meta.get_field("reference").max_length == references.LONGEST
