"""Numbers as texts: exact where they are sent back, told apart where they stand side by side."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.ml.tables.digits import apart, exact

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(number=FINITE)
def test_a_number_is_read_back_as_it_was(number: float) -> None:
    assert float(exact(number)) == number


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "missing"),
        (True, "true"),
        (False, "false"),
        (2024, "2024"),
        (72.0, "72"),
        (0.1 + 0.2, "0.30000000000000004"),
        ("a b", "a b"),
    ],
)
def test_a_value_is_written_as_a_person_would(value: Any, written: str) -> None:
    assert exact(value) == written


@given(numbers=st.lists(FINITE, min_size=1, max_size=4))
def test_different_numbers_read_differently(numbers: list[float]) -> None:
    assert len(set(apart(*numbers))) >= len(set(numbers))


@pytest.mark.parametrize(
    ("numbers", "written"),
    [
        ([9_994_425, 1_007_104, 9_994_420], ["9,994,425", "1,007,104", "9,994,420"]),
        ([1_654_370_000.0, 1_654_371_234.0], ["1,654,370,000", "1,654,371,234"]),
        ([0.30000000000000004, 0.1, 0.3], ["0.30000000000000004", "0.1", "0.3"]),
        ([1 / 3, 20.0], ["0.333333", "20"]),
        ([1_234_567.891], ["1,234,568"]),
        ([9007199254740993, 9007199254740992.0], ["9,007,199,254,740,993", "9,007,199,254,740,992"]),
        ([9999999999999998.0], ["9,999,999,999,999,998"]),
        ([2007, 2009.0, 2008.5], ["2007", "2009", "2008.5"]),
        ([-9_999, 9_999.5, 10_000, -10_000.5], ["-9999", "9999.5", "10,000", "-10,000.5"]),
        ([9_999.9999], ["10,000"]),
        ([-0.5, 1e-7, 1e30], ["-0.5", "1e-07", "1e+30"]),
    ],
)
def test_whole_numbers_are_full_and_others_have_the_digits_that_it_takes(
    numbers: list[float], written: list[str]
) -> None:
    assert apart(*numbers) == written
