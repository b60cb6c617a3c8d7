"""How pages, charts and the report write figures."""

import pytest

from clfsite.core.web import numbers


@pytest.mark.parametrize(
    ("share", "written"),
    [
        (0, "0.0"),
        (0.8342, "83.4"),
        (1, "100.0"),
        (0.00001, "< 0.1"),
        (0.9999999, "> 99.9"),
        (1 / 3, "33.3"),
    ],
)
def test_a_share_is_written_in_percent_and_never_rounded_to_certainty(share: float, written: str) -> None:
    assert numbers.percent(share) == f"{written}\u202f%"


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0421, "0.04 s"),
        (5, "5.0 s"),
        (59.9, "59.9 s"),
        (61.4, "1 min 1 s"),
        (7_384, "2 h 3 min"),
        (360_000, "100 h 0 min"),
    ],
)
def test_a_length_of_time_is_written_in_its_two_largest_units(seconds: float, written: str) -> None:
    assert numbers.duration(seconds).replace("\u202f", " ") == written


@pytest.mark.parametrize(
    ("difference", "written"),
    [(0.1234, "+12.3\u202fpoints"), (-0.004, "\u22120.4\u202fpoints"), (0.0001, "unchanged")],
)
def test_a_difference_of_shares_is_written_in_points(difference: float, written: str) -> None:
    assert numbers.points(difference) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.00512, "0.0051"), (0.647, "0.65"), (3.74, "3.7"), (10.0, "10"), (1_234.5, "1,234")],
)
def test_a_latency_is_written_to_what_it_says(value: float, written: str) -> None:
    assert numbers.milliseconds(value) == written
