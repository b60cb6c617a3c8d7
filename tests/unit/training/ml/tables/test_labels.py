"""Labels: what looks like one class, in which order they stand, which one is the positive one."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.ml.tables.contract import Contract, ContractError
from training.ml.tables.corrections import Corrections, Spellings
from training.ml.tables.findings import find
from training.ml.tables.inference import correct, infer
from training.ml.tables.labels import USUAL, alike, guess_positive, in_order, likeness

MERGE, KEEP = Corrections(labels=Spellings.MERGE), Corrections(labels=Spellings.KEEP)


def table(*labels: str) -> pd.DataFrame:
    """Ten rows of each label; one label may come more than once."""
    column = [label for label in labels for _ in range(10)]
    return pd.DataFrame(
        {"x": range(0, 2 * len(column), 2), "noise": [1.5, 2.5] * (len(column) // 2), "y": column}
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Yes", "yes"),
        ("YES ", "yes"),
        ("1", "1.0"),
        ("01", "1"),
        ("1e3", "1000"),
        ("+1", "1"),
        ("caf\u00e9", "cafe\u0301"),
        ("\uff11", "1"),
        ("a  b", "a b"),
        ("0", "-0"),
        ("stra\u00dfe", "STRASSE"),
    ],
)
def test_spellings_of_one_class_look_alike(one: str, other: str) -> None:
    assert likeness(one) == likeness(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "10"),
        ("yes", "y"),
        ("true", "1"),
        ("9007199254740993", "9007199254740992"),
        ("1_0", "10"),
        ("a", "b"),
    ],
)
def test_other_labels_do_not(one: str, other: str) -> None:
    assert likeness(one) != likeness(other)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_label_looks_like_itself_with_blanks_around(label: str) -> None:
    assert likeness(f" {label} ") == likeness(label)


def test_numbers_stand_by_size_and_texts_by_their_characters() -> None:
    assert in_order(["10", "9", "-1", "2", "1.5"]) == ("-1", "1.5", "2", "9", "10")
    assert in_order(["02", "01", "10"]) == ("01", "02", "10")
    assert in_order(["10", "none", "9", "-"]) == ("9", "10", "-", "none")


@pytest.mark.parametrize(("negative", "positive"), USUAL)
def test_usual_answers_keep_their_side(negative: str, positive: str) -> None:
    for rows in (1, 1_000):
        assert guess_positive({negative: 10, positive.title(): rows}) == positive.title()


def test_otherwise_the_rarer_class_is_positive() -> None:
    assert guess_positive({"fraud": 166, "legit": 2_834}) == "fraud"
    assert guess_positive({"fraud": 2_834, "legit": 166}) == "legit"
    assert guess_positive({"a": 5, "b": 5}) == "b"
    assert guess_positive({"1": 5, "2": 9}) == "1"
    assert guess_positive({"a": 5, "b": 5, "c": 5}) is None


def test_alike_labels_are_grouped_the_most_frequent_first() -> None:
    assert alike({"yes": 3, "Yes": 9, "no": 5, "YES ": 1}) == [("Yes", "yes", "YES ")]
    assert alike({"yes": 3, "no": 5}) == []


def test_labels_keep_the_spelling_of_the_table() -> None:
    assert infer(table("01", "02", "03"), "y").classes == ("01", "02", "03")
    assert infer(table("TRUE", "FALSE"), "y").classes == ("FALSE", "TRUE")


def test_ratings_stand_by_size() -> None:
    assert infer(table(*map(str, range(10, 0, -1))), "y").classes == tuple(map(str, range(1, 11)))


def test_alike_labels_are_a_finding() -> None:
    frame = table("01", "1", "2")
    (finding,) = [item for item in find(frame, infer(frame, "y")) if item.code == "alike_labels"]
    assert '"01" and "1" look like different spellings of one class' in finding.message


def test_alike_labels_are_refused_until_somebody_says_what_they_are() -> None:
    frame = table("Yes", "yes", "No")
    with pytest.raises(
        ContractError,
        match=r'"Yes" and "yes" look like different spellings of one class.*--merge-labels.*--keep-labels',
    ):
        correct(infer(frame, "y"), frame, Corrections())


def test_merged_labels_are_one_class_and_the_contract_knows_all_spellings() -> None:
    frame = table("Yes", "Yes", "yes", "YES ", "No")
    merged = correct(infer(frame, "y"), frame, MERGE)
    assert (merged.classes, merged.positive) == (("No", "Yes"), "Yes")
    assert merged.merged == {"yes": "Yes", "YES ": "Yes"}
    assert merged.labels_of(frame).value_counts().to_dict() == {"Yes": 40, "No": 10}
    assert Contract.from_dict(merged.to_dict()) == merged


def test_labels_that_are_kept_apart_are_classes_of_their_own() -> None:
    frame = table("Yes", "yes", "No")
    kept = correct(infer(frame, "y"), frame, KEEP)
    assert kept.classes == ("No", "Yes", "yes")
    assert [kept.label_of(text) for text in ("yes", "Yes", "no", "YES")] == ["yes", "Yes", None, None]


def test_labels_that_differ_in_spelling_alone_are_no_two_classes() -> None:
    frame = table("yes", "Yes")
    with pytest.raises(ContractError, match="only one class"):
        correct(infer(frame, "y"), frame, MERGE)


@pytest.mark.parametrize("text", ["TRUE", "true", "True", " true "])
def test_truth_value_is_read_however_it_is_written(text: str) -> None:
    assert infer(table("TRUE", "FALSE"), "y").label_of(text) == "TRUE"


@pytest.mark.parametrize(
    ("text", "label"), [("3", "03"), ("3.0", "03"), ("03", "03"), ("1", None), ("x", None)]
)
def test_number_is_read_however_it_is_written_unless_two_classes_have_it(
    text: str, label: str | None
) -> None:
    kept = correct(infer(table("01", "1.0", "03"), "y"), table("01", "1.0", "03"), KEEP)
    assert kept.label_of(text) == label


def test_text_is_read_as_it_is_written() -> None:
    contract = infer(table("Yes", "No"), "y")
    assert [contract.label_of(text) for text in ("Yes", "yes", "Yes ")] == ["Yes", None, None]


def test_positive_class_is_chosen_in_any_spelling() -> None:
    contract = infer(table("1", "2", "2"), "y")
    assert contract.positive == "1"
    assert contract.with_positive("2.0").positive == "2"
    assert (contract.negative, contract.with_positive("2").negative) == ("2", "1")
    with pytest.raises(ContractError, match='cannot be "3"; choose from "1", "2"'):
        contract.with_positive("3")
    with pytest.raises(ContractError, match="has 3"):
        infer(table("a", "b", "c"), "y").with_positive("a")


def test_contract_from_before_keeps_its_last_class_as_the_positive_one() -> None:
    data = infer(table("fraud", "legit", "legit"), "y").to_dict()
    assert data["positive"] == "fraud"
    del data["positive"], data["merged"]
    assert Contract.from_dict(data).positive == "legit"


def test_contract_from_before_reads_the_labels_that_it_merged_without_a_word() -> None:
    frame = table("01", "1", "2")
    data = {**infer(table("1", "2"), "y").to_dict(), "merged": {}}
    assert Contract.from_dict(data).labels_of(frame).value_counts().to_dict() == {"1": 20, "2": 10}
