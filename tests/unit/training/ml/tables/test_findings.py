"""What stands out in a table before training."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from tests.support import tables
from training.ml.tables.findings import Finding, find
from training.ml.tables.inference import infer

ROWS = 400
MAKERS = [tables.numbers, tables.texts, tables.mixed, tables.three_classes, tables.three_classes_with_gaps]


def random() -> np.random.Generator:
    return np.random.default_rng(7)


def rare_label() -> np.ndarray:
    """One row in ten says yes."""
    return np.where(random().random(ROWS) < 0.1, "yes", "no")


def findings_of(**columns: object) -> dict[str, Finding]:
    """Findings by column, in a table of these columns beside noise and a rare label."""
    label = columns.pop("label", rare_label())
    table = pd.DataFrame({"noise": random().normal(size=ROWS), **columns, "label": label})
    findings = find(table, infer(table, "label"))
    assert len({finding.column for finding in findings}) == len(findings)
    return {finding.column: finding for finding in findings}


def leaks() -> Iterator[tuple[str, object]]:
    yes = rare_label() == "yes"
    draw = np.random.default_rng(3)
    yield "threshold", np.where(yes, draw.normal(100, 1, ROWS), draw.normal(50, 1, ROWS))
    yield "inside a range", np.where(yes, draw.normal(0, 0.1, ROWS), draw.choice([-5.0, 5.0], ROWS))
    yield "category", np.where(yes, draw.choice(["churned", "left"], ROWS), draw.choice(["a", "b"], ROWS))
    yield "boolean", yes
    yield "only filled in for one class", np.where(yes, draw.normal(size=ROWS), np.nan)
    yield "code of the class", np.where(yes, 1, 0)


@pytest.mark.parametrize("values", [values for _, values in leaks()], ids=[name for name, _ in leaks()])
def test_column_that_gives_the_target_away_is_a_leak(values: object) -> None:
    finding = findings_of(column=values)["column"]
    assert finding.code == "leak"
    assert "it predicts label by itself with a balanced accuracy of 100.0%" in finding.message
    assert "Leave it out if it is not known" in finding.message


def test_leak_among_three_classes_is_found() -> None:
    label = random().choice(["low", "middle", "high"], ROWS)
    assert findings_of(column=np.char.upper(label), label=label)["column"].code == "leak"


@pytest.mark.parametrize(
    "values",
    [
        random().permutation(10**6)[:ROWS],
        random().normal(size=ROWS),
        random().choice([f"shop {number}" for number in range(200)], ROWS),
        np.where(rare_label() == "yes", random().normal(1, 1, ROWS), random().normal(-1, 1, ROWS)),
    ],
    ids=["identifier", "noise", "many categories", "a good feature"],
)
def test_column_that_fits_only_the_rows_it_was_seen_in_is_no_leak(values: object) -> None:
    assert "leak" not in {finding.code for finding in findings_of(column=values).values()}


def test_few_rows_make_no_leak() -> None:
    table = pd.DataFrame({"column": [1.5, 2.5] * 9, "label": ["yes", "no"] * 9})
    assert "leak" not in {finding.code for finding in find(table, infer(table, "label"))}


def test_whole_numbers_of_which_none_stands_twice_are_kept_with_a_warning() -> None:
    for values in (random().permutation(10**6)[:ROWS], [np.nan, *np.arange(ROWS - 1) * 3.0]):
        finding = findings_of(column=values)["column"]
        assert finding.code == "identifier"
        assert "Leave it out if it only identifies the rows" in finding.message


def test_fractions_of_which_none_stands_twice_are_no_identifier() -> None:
    assert findings_of(column=np.random.default_rng(5).normal(size=ROWS)) == {}


@pytest.mark.parametrize(
    ("values", "code", "words"),
    [
        (range(ROWS), "identifier", "consecutive whole numbers"),
        ([f"customer {number}" for number in range(ROWS)], "identifier", "Include it"),
        (
            [f"note {number % 250}" for number in range(ROWS)],
            "free_text",
            "--text column), or include it if",
        ),
        ([7] * ROWS, "constant", "Nothing can be learned"),
        ([np.nan] * ROWS, "all_missing", "Nothing can be learned"),
    ],
    ids=["counter", "names", "prose", "constant", "missing"],
)
def test_column_that_is_left_out_is_told_with_the_reason(values: object, code: str, words: str) -> None:
    finding = findings_of(column=values)["column"]
    assert finding.code == code
    assert "the column is left out" in finding.message
    assert words in finding.message


@pytest.mark.parametrize(
    "values",
    [
        random().integers(0, 9, ROWS),
        np.array(["a", "b", None], dtype=object)[random().integers(0, 3, ROWS)],
        random().random(ROWS).round(1),
    ],
    ids=["integers", "texts with gaps", "numbers"],
)
def test_columns_of_the_same_values_are_duplicates_of_the_first(values: np.ndarray) -> None:
    other = values.copy()
    other[ROWS // 2] = values[np.flatnonzero(values != values[ROWS // 2])[0]]
    findings = findings_of(first=values, second=values, third=values, other=other)
    assert {name: finding.code for name, finding in findings.items()} == {
        "second": "duplicate",
        "third": "duplicate",
    }
    assert 'the same values as "first"' in findings["third"].message


def test_class_of_too_few_rows_for_the_folds_is_named() -> None:
    label = np.array(["common"] * (ROWS - 3) + ["rare"] * 3)
    finding = findings_of(label=label)["label"]
    assert finding.code == "tiny_class"
    assert '"rare" (3 rows)' in finding.message
    assert "Use fewer folds" in finding.message


def test_rows_without_a_label_are_counted() -> None:
    label = rare_label().astype(object)
    label[:12] = None
    finding = findings_of(label=label)["label"]
    assert (finding.code, finding.message[:28]) == ("unlabelled", "12 of 400 rows have no label")


@pytest.mark.parametrize("make", MAKERS)
def test_sound_table_has_no_findings_and_the_same_ones_each_time(make: object) -> None:
    table = make()  # type: ignore[operator]
    assert find(table, infer(table, "label")) == []


def test_findings_come_gravest_first() -> None:
    yes = rare_label() == "yes"
    columns = {"constant": 1, "number": random().permutation(10**6)[:ROWS], "leak": yes}
    assert [finding.code for finding in findings_of(**columns).values()] == ["leak", "identifier", "constant"]


def test_category_of_many_values_says_how_it_is_learned() -> None:
    values = [f"c{place % 60}" for place in range(ROWS)]
    message = findings_of(column=values)["column"].message
    assert "it has 60 different values" in message


def test_rare_values_are_counted() -> None:
    values = [f"c{number}" for number in random().integers(0, 100, ROWS)]
    finding = findings_of(column=values)["column"]
    rare = (pd.Series(values).value_counts() < 5).sum()
    assert finding.code == "many_levels"
    assert f"from {rare} of them, with fewer than 5 rows, little can be learned" in finding.message


def test_similar_categories_are_named_with_the_way_to_merge_them() -> None:
    city = random().choice(["Oslo", "oslo", "OSLO ", "Bergen"], ROWS, p=[0.5, 0.1, 0.1, 0.3])
    finding = findings_of(city=city)["city"]
    assert finding.code == "alike_categories"
    assert '"Oslo" and "OSLO " and "oslo"' in finding.message or '"Oslo" and "oslo"' in finding.message
    assert "--merge city" in finding.message


@pytest.mark.parametrize("mark", [-999, 9999, -9])
def test_number_that_is_repeated_far_from_all_others_is_asked_about(mark: int) -> None:
    values = random().integers(0, 5 if mark == -9 else 80, ROWS)
    values[::9] = mark
    finding = findings_of(age=values)["age"]
    assert finding.code == "suspicious_number"
    assert f"45 rows have {mark}" in finding.message
    assert f"--missing {mark}" in finding.message


@pytest.mark.parametrize(
    "values", [[-999, *range(399)], [99, 98, 97, 96] * 100], ids=["once", "among others"]
)
def test_number_that_is_not_repeated_or_not_far_away_is_not_asked_about(values: list[int]) -> None:
    found = findings_of(age=values)
    assert found.get("age") is None or found["age"].code != "suspicious_number"


def test_flag_of_one_value_or_nothing_is_told() -> None:
    finding = findings_of(vip=[("X" if number % 3 else None) for number in range(ROWS)])["vip"]
    assert finding.code == "flag"
    assert '"X" or nothing' in finding.message
