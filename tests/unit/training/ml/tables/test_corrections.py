"""Corrections as JSON values."""

import json

import pytest

from training.ml.tables.contract import ContractError
from training.ml.tables.corrections import Choice, Corrections


def test_corrections_survive_json() -> None:
    corrections = Corrections({"zip": Choice.CATEGORY, "id": Choice.LEAVE_OUT}, strict=True)
    assert Corrections.from_dict(json.loads(json.dumps(corrections.to_dict()))) == corrections


def test_nothing_written_corrects_nothing() -> None:
    assert Corrections.from_dict({}) == Corrections()
    assert not Corrections()
    assert Corrections(strict=True)


def test_columns_are_found_by_their_choice() -> None:
    corrections = Corrections({"a": Choice.NUMBER, "b": Choice.CATEGORY, "c": Choice.NUMBER})
    assert corrections.chosen(Choice.NUMBER) == ["a", "c"]


def test_choice_that_there_is_not_is_refused_beside_those_there_are() -> None:
    with pytest.raises(
        ContractError, match='"zip" cannot become "date"; choose from number, category, leave_out'
    ):
        Corrections.from_dict({"columns": {"zip": "date"}})


def test_the_text_of_a_choice_will_do() -> None:
    # as in a notebook
    corrections = Corrections({"zip": "category"})  # type: ignore[dict-item]
    assert corrections.chosen(Choice.CATEGORY) == ["zip"]
    assert corrections == Corrections({"zip": Choice.CATEGORY})
