"""A loaded version: records in, labels and probabilities out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support import tables
from tests.support.factories import tiny
from training.ml.search.estimators import build_pipeline
from training.ml.search.families import FAMILIES
from training.ml.serve.loaded_model import LoadedModel
from training.ml.tables.inference import infer


def model_of(table: pd.DataFrame, family: str = "random_forest") -> LoadedModel:
    """A small model that was fitted on the whole table."""
    contract = infer(table, "label")
    pipeline = build_pipeline(contract, family, seed=0)
    if "n_estimators" in FAMILIES[family].space:
        pipeline.set_params(model__n_estimators=5)
    pipeline.fit(contract.prepare(table), table["label"].to_numpy(dtype=object))
    return LoadedModel(pipeline, contract, 0.5 if contract.positive else None)


def records_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): None if pd.isna(value) else value for name, value in record.items()}
        for record in table.drop(columns="label").to_dict("records")
    ]


@pytest.mark.parametrize(
    "make",
    [tables.numbers, tables.texts, tables.mixed, tables.three_classes, tables.three_classes_with_gaps],
    ids=lambda make: make.__name__,
)
def test_records_score_as_the_table_they_came_from(make: Callable[[], pd.DataFrame]) -> None:
    table = make()
    model = model_of(table)
    found_labels, proba = model.score(records_of(table))
    X = model.contract.prepare(table)
    np.testing.assert_array_equal(proba, model.pipeline.predict_proba(X))
    assert found_labels == model.pipeline.predict(X).tolist()


def test_probabilities_stand_in_the_order_of_the_classes() -> None:
    model = model_of(tables.three_classes())
    assert model.pipeline.classes_.tolist() == list(model.contract.classes)
    _, proba = model.score(records_of(tables.three_classes()))
    assert proba.shape == (150, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_one_record_scores_as_among_many() -> None:
    model = model_of(tables.mixed())
    records = records_of(tables.mixed())
    _, together = model.score(records)
    alone = np.vstack([model.score([record])[1] for record in records[:10]])
    np.testing.assert_allclose(alone, together[:10], rtol=0, atol=1e-12)


def test_threshold_decides_the_label() -> None:
    model = model_of(tables.numbers())
    records = records_of(tables.numbers())
    _, proba = model.score(records)
    labels, _ = replace(model, threshold=0.8).score(records)
    assert labels == ["yes" if row[1] >= 0.8 else "no" for row in proba]


def test_record_of_nulls_alone_is_answered() -> None:
    model = model_of(tables.three_classes_with_gaps())
    labels, proba = model.score([{"hint": None, "noise": None}])
    assert labels[0] in model.contract.classes
    assert np.isfinite(proba).all()


def test_unknown_category_is_answered() -> None:
    model = model_of(tables.texts())
    labels, _ = model.score([{"colour": "mauve", "size": "s"}])
    assert labels[0] in model.contract.classes


def test_booleans_score_as_in_the_table() -> None:
    model = LoadedModel(tiny().trained.pipeline, tiny().contract, 0.5)
    record = {"spend": 100.0, "tenure": 3, "plan": "basic"}
    _, proba = model.score([{**record, "member": True}, {**record, "member": 1.0}])
    np.testing.assert_array_equal(proba[0], proba[1])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("value", [1e29, 1e39, -1e308, 10**300], ids="{:.0e}".format)
def test_number_that_the_contract_accepts_can_be_scored(family: str, value: float) -> None:
    model = model_of(tables.numbers(), family)
    record = {"a": value, "b": 0.0}
    errors, _ = model.contract.check(record)
    if not errors:
        _, proba = model.score([record])
        assert np.isfinite(proba).all()
