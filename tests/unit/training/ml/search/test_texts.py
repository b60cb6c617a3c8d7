"""Texts that are learned by their words: what is learned, and what callers may send."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from predictions.batches.counts import charted
from predictions.protocols.open_inference import datatype_of
from predictions.serving.portal.forms import FeaturesForm
from training.ml.judge.decision import Decision
from training.ml.search.families import FAMILIES
from training.ml.search.recipe import Recipe
from training.ml.serve.compiled import agrees, compile_pipeline, edge_rows
from training.ml.serve.loaded_model import LoadedModel
from training.ml.tables.checks import check_cells, check_records, read_records
from training.ml.tables.contract import SELECTED_WORDS, Contract, Feature, Kind
from training.ml.tables.corrections import Choice, Corrections
from training.ml.tables.findings import find
from training.ml.tables.inference import infer
from training.ml.trainer import Trained, train

ROWS = 300
AS_TEXT = Corrections({"note": Choice.TEXT})


def noted(*, gaps: bool = True) -> pd.DataFrame:
    """Notes of which a word tells the class, among words that do not."""
    random = np.random.default_rng(0)
    label = np.where(random.random(ROWS) < 0.5, "stays", "leaves")
    words = np.where(label == "leaves", "refund", "upgrade")
    notes = [f"Customer {row} asked about {word} on {row % 9}, again." for row, word in enumerate(words)]
    table = pd.DataFrame({"note": notes, "noise": random.normal(size=ROWS), "label": label})
    if gaps:
        table.loc[random.random(ROWS) < 0.05, "note"] = None
    return table


def trained(table: pd.DataFrame, family: str = "random_forest") -> Trained:
    recipe = Recipe(estimator=family, folds=2, search="random", max_fits=2)
    return train(table, infer(table, "label", AS_TEXT), recipe, jobs=1, accelerate=False)


def test_prose_is_left_out_with_an_offer() -> None:
    table = noted(gaps=False)
    contract = infer(table, "label")
    assert contract.left_out["note"].startswith("free text: 300 different texts")
    (finding,) = find(table, contract)
    assert (finding.code, finding.column) == ("free_text", "note")
    assert "--text note" in finding.message


@pytest.mark.parametrize("family", FAMILIES)
def test_words_are_learned_and_compiled(family: str) -> None:
    table = noted()
    model = trained(table, family)
    assert model.held_out.metrics["roc_auc"] > 0.8
    assert {row["feature"] for row in model.held_out.importance} == {"note", "noise"}
    assert model.engine["reason"] == ""
    X = model.contract.prepare(table)
    compiled = compile_pipeline(model.pipeline, model.contract)
    assert compiled
    assert compiled.preprocessor.width == 1 + SELECTED_WORDS
    decision = Decision(model.contract.classes, model.contract.positive, 0.5)
    for rows in (X, edge_rows(model.contract, X)):
        assert agrees(compiled, model.pipeline, rows, decision)


def test_records_and_plain_frames_have_the_same_answers() -> None:
    table = noted()
    model = trained(table)
    loaded = LoadedModel.load(
        model.pipeline, model.contract, model.threshold, model.engine, model.golden["records"]
    )
    records: list[dict[str, Any]] = [
        {"note": note, "noise": 0.0}
        for note in ("a refund, please", "UPGRADE!", "", None, "line\nend refund")
    ]
    _, proba = loaded.score(records)
    np.testing.assert_allclose(proba, model.pipeline.predict_proba(pd.DataFrame(records)), rtol=0, atol=1e-6)
    place = loaded.contract.classes.index("leaves")
    assert proba[0, place] > proba[1, place] + 0.1
    assert (proba[2] == proba[3]).all()
    read = pd.read_csv(io.StringIO(table.to_csv(index=False)))
    np.testing.assert_array_equal(
        model.pipeline.predict_proba(read), model.pipeline.predict_proba(model.contract.prepare(table))
    )
    assert model.pipeline.predict_proba(read.assign(note=np.nan)).shape == (ROWS, 2)


@pytest.mark.parametrize("notes", [["!"] * 40, ["x", "y"] * 20, [f"{row}" for row in range(40)]])
def test_texts_without_telling_words_do_no_harm(notes: list[str]) -> None:
    table = pd.DataFrame(
        {"note": notes, "noise": np.arange(40) % 7, "label": ["no", "yes", "yes", "no"] * 10}
    )
    assert trained(table).held_out.rows == 8


def contract_of(*, missing: bool) -> Contract:
    features = (Feature("note", Kind.TEXT, missing, "some text"),)
    return Contract("label", features, ("no", "yes"), {}, positive="yes")


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize(
    "value", ["any words", "", None, 5, "nul\x00", "half \ud800", "x" * 100_001, ["a"], "y" * 5_000]
)
def test_many_texts_are_judged_as_one(missing: bool, value: Any) -> None:
    contract = contract_of(missing=missing)
    errors, warnings = contract.check({"note": value})
    checked = check_records(contract, [{"note": value}, {"note": "fine"}])
    assert (checked.errors.get(0, []), warnings) == (errors, [])


def test_marks_for_missing_mean_the_same_in_records_and_in_cells() -> None:
    contract = contract_of(missing=True)
    assert read_records(contract, [{"note": "NA"}, {"note": "fine"}]) == [{"note": None}, {"note": "fine"}]
    assert check_cells(contract, [["NA", "fine"]]).texts == [["null", '"fine"']]


def test_example_does_not_show_a_text_of_the_table() -> None:
    contract = infer(noted(), "label", AS_TEXT)
    assert contract.example["note"] == "some text"
    assert Contract.from_dict(contract.to_dict()) == contract


def test_form_has_lines_for_a_text_and_keeps_line_ends() -> None:
    contract = contract_of(missing=True)
    form = FeaturesForm(contract, {"feature-note": "two\r\nlines"})
    assert form.is_valid()
    assert form.cleaned_data == {"note": "two\nlines"}
    assert "<textarea" in str(FeaturesForm(contract, record={"note": "two\nlines"})["note"])


def test_texts_are_bytes_to_clients_and_have_no_groups_in_batches() -> None:
    contract = contract_of(missing=False)
    assert datatype_of(contract.features[0]) == "BYTES"
    assert charted(contract) == []
