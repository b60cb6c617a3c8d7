"""Every number of tests/checklist.py has a test that names it, and no test names a number that is not there."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.checklist import C_CASES, CASES, PROMISES

TESTS = Path(__file__).parents[1]
CASE = re.compile(r"\"([JCUF]\d\d)(?=[ \"])")
PROMISE = re.compile(r"mark\.promise\(([\d, ]+)\)")
# a file to score has no target, and a table to learn from has no contract whose columns it could lack
OF_TRAINING = {"C29", "C30", "C31", "C32", "C33"}
OF_SCORING = {"C37"}
OF_FILES = {f"C{number:02}" for number in range(1, len(C_CASES) + 1)}


@cache
def sources() -> dict[str, str]:
    """The text of every module with tests, by its path below tests/."""
    return {str(path.relative_to(TESTS)): path.read_text() for path in TESTS.rglob("test_*.py")}


def named(*paths: str) -> set[str]:
    """The cases that some modules name, or that any module does."""
    return {number for path in paths or sources() for number in CASE.findall(sources()[path])}


def proved() -> set[int]:
    """The promises that a test names."""
    result = [numbers for text in sources().values() for numbers in PROMISE.findall(text)]
    return {int(number) for numbers in result for number in numbers.split(",")}


def test_every_case_has_a_test() -> None:
    assert {number: words for number, words in CASES.items() if number not in named()} == {}


def test_no_test_names_a_case_that_there_is_not() -> None:
    assert named() <= set(CASES)


def test_every_promise_has_a_test_and_no_test_names_one_that_was_not_made() -> None:
    assert proved() == set(PROMISES)


@pytest.mark.parametrize(
    ("cases", "paths"),
    [
        (OF_FILES - OF_SCORING, ("integration/training/datasets/test_csv_cases.py",)),
        (
            OF_FILES - OF_TRAINING,
            ("integration/predictions/batches/test_cases.py", "integration/predictions/batches/test_api.py"),
        ),
    ],
    ids=["training", "scoring"],
)
def test_files_to_learn_from_and_files_to_score_are_both_tried(
    cases: set[str], paths: tuple[str, ...]
) -> None:
    assert cases - named(*paths) == set()
