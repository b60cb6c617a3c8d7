"""Every case of tests/cases.py has a test that names it, and no test names one that there is not."""

import re
from pathlib import Path

import pytest

from tests.cases import C_CASES, CASES

HERE = Path(__file__).parents[1]
NUMBER = re.compile(r"\"([JCUF]\d\d)(?=[ \"])")
# what is no matter of a file to score: target and classes; and of a table to learn from: columns of a contract
OF_TRAINING = {"C29", "C30", "C31", "C32", "C33"}
OF_SCORING = {"C37"}
OF_FILES = {f"C{number:02}" for number in range(1, len(C_CASES) + 1)}


def named(*paths: str) -> set[str]:
    """The numbers that the tests of some files name, or those of all."""
    files = [HERE / path for path in paths] or [
        path for path in HERE.rglob("*.py") if path not in {HERE / "cases.py", Path(__file__)}
    ]
    return {number for path in files for number in NUMBER.findall(path.read_text())}


def test_every_case_has_a_test() -> None:
    assert not {number: words for number, words in CASES.items() if number not in named()}


def test_no_test_names_a_case_that_there_is_not() -> None:
    assert named() <= set(CASES)


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
    assert not cases - named(*paths)
