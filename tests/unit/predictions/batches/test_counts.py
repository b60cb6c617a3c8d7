"""The groups of values that a batch is counted by."""

import numpy as np
import pytest

from predictions.batches.counts import Groups, groups_of
from training.ml.tables.contract import Feature, Kind


def groups(kind: Kind, low: float, high: float) -> Groups:
    return groups_of(Feature("x", kind, missing=False, default=low, low=low, high=high))


def test_ten_equal_ranges_lie_between_the_lowest_and_the_highest_value() -> None:
    tens = groups(Kind.NUMBER, 0.0, 100.0)
    names = [f"{low} to {low + 10}" for low in range(0, 100, 10)]
    assert tens.names == ("below 0", *names, "above 100", "missing")
    values = np.array([-0.5, 0.0, 9.9, 10.0, 99.9, 100.0, 100.5, np.nan])
    assert tens.place(values).tolist() == [0, 1, 1, 2, 10, 10, 11, 12]


def test_ranges_of_whole_numbers_do_not_share_a_number() -> None:
    assert groups(Kind.INTEGER, 0, 20).names == (
        "below 0",
        *("0 to 1", "2 to 3", "4 to 5", "6 to 7", "8 to 9", "10 to 11", "12 to 13", "14 to 15"),
        *("16 to 17", "18 to 20", "above 20", "missing"),
    )


def test_few_whole_numbers_have_a_range_each() -> None:
    few = groups(Kind.INTEGER, 1, 3)
    assert few.names == ("below 1", "1", "2 to 3", "above 3", "missing")
    assert few.place(np.array([0.0, 1, 2, 3, 4])).tolist() == [0, 1, 2, 2, 3]


@pytest.mark.parametrize("kind", [Kind.NUMBER, Kind.INTEGER])
def test_one_value_is_one_range(kind: Kind) -> None:
    one = groups(kind, 7, 7)
    assert one.names == ("below 7", "7", "above 7", "missing")
    assert one.place(np.array([6.0, 7.0, 8.0, np.nan])).tolist() == [0, 1, 2, 3]
