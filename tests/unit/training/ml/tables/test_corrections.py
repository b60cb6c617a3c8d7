"""Corrections as JSON values."""

import json

import pandas as pd
import pytest

from training.ml.tables.contract import Contract, ContractError
from training.ml.tables.corrections import Choice, Corrections
from training.ml.tables.inference import infer


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


def test_protected_inputs_survive_json_and_have_to_be_inputs() -> None:
    table = pd.DataFrame(
        {"age": [20 + n % 7 for n in range(40)], "one": [1] * 40, "left": ["yes", "no"] * 20}
    )
    corrections = Corrections(protected=("age",))
    assert Corrections.from_dict(corrections.to_dict()) == corrections
    contract = infer(table, "left", corrections)
    assert contract.protected == Contract.from_dict(contract.to_dict()).protected == ("age",)
    with pytest.raises(ContractError, match='the column "one" is no input'):
        infer(table, "left", Corrections(protected=("one",)))
