"""What is learned from dates, in the pipeline and in its compiled form."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from training.ml.files.notation import NOTATIONS
from training.ml.judge.decision import Decision
from training.ml.search.families import FAMILIES
from training.ml.search.recipe import Recipe
from training.ml.serve.artifact import check_golden, dump
from training.ml.serve.compiled import agrees, compile_pipeline, edge_rows
from training.ml.serve.loaded_model import LoadedModel
from training.ml.tables.inference import infer
from training.ml.trainer import Trained, train

ROWS = 400


def dated(*, hours: bool = True, gaps: bool = True) -> pd.DataFrame:
    """Rows whose label depends on weekday and hour, or on the weekday alone, with noise."""
    random = np.random.default_rng(0)
    day = pd.Series(pd.Timestamp("2021-01-01") + pd.to_timedelta(random.integers(0, 900, ROWS), unit="D"))
    if hours:
        day += pd.to_timedelta(random.integers(0, 24 * 60, ROWS), unit="min")
    label = np.where(day.dt.day_of_week >= 5, "weekend", "week")
    if gaps:
        day = day.mask(random.random(ROWS) < 0.05)
    return pd.DataFrame({"day": day, "noise": random.normal(size=ROWS), "label": label})


def trained(table: pd.DataFrame, family: str = "random_forest", **options: Any) -> Trained:
    recipe = Recipe(estimator=family, folds=2, search="random", max_fits=2, **options)
    return train(table, infer(table, "label"), recipe, jobs=1, accelerate=False)


@pytest.mark.parametrize("hours", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_dates_are_learned_and_compiled(family: str, hours: bool) -> None:
    table = dated(hours=hours)
    model = trained(table, family)
    assert model.held_out.metrics["roc_auc"] > 0.8
    assert [row["feature"] for row in model.held_out.importance] == ["day", "noise"]
    assert model.engine["reason"] == ""
    X = model.contract.prepare(table)
    compiled = compile_pipeline(model.pipeline, model.contract)
    assert compiled
    decision = Decision(model.contract.classes, model.contract.positive, 0.5)
    for rows in (X, edge_rows(model.contract, X)):
        assert agrees(compiled, model.pipeline, rows, decision)
    assert compiled.preprocessor.width == 1 + 4 + hours


def test_records_have_the_answers_of_frames() -> None:
    table = dated()
    model = trained(table)
    check_golden(model.pipeline, model.contract, model.golden)
    loaded = LoadedModel.load(
        model.pipeline, model.contract, model.threshold, model.engine, model.golden["records"]
    )
    assert loaded.compiled
    records = [
        {"day": day, "noise": 0.5}
        for day in ("2021-05-15T10:00:00Z", "2021-05-15 12:00+02:00", "2021-05-15T10:00", None, "9999-12-31")
    ]
    _, proba = loaded.score(records)
    np.testing.assert_allclose(proba, loaded.proba(model.contract.frame(records)), rtol=0, atol=1e-9)
    assert (proba[0] == proba[1]).all()
    assert (proba[0] == proba[2]).all()


@pytest.mark.parametrize("date_format", ["ISO8601", "%d/%m/%Y %H:%M", "epoch", "epoch_ms"])
def test_pipeline_takes_texts_as_pandas_reads_them(date_format: str) -> None:
    table = dated(gaps=date_format.startswith("%"))
    table.attrs[NOTATIONS] = {"day": {"date": date_format}}
    model = trained(table)
    expected = model.pipeline.predict_proba(model.contract.prepare(table))
    if date_format.startswith("epoch"):
        unit = 1 if date_format == "epoch" else 1_000
        written = table.assign(
            day=((table["day"] - pd.Timestamp(0)) / pd.Timedelta(seconds=1) * unit).astype(int)
        )
    else:
        written = table.assign(
            day=table["day"].dt.strftime("%Y-%m-%dT%H:%M" if date_format == "ISO8601" else date_format)
        )
    read = pd.read_csv(io.StringIO(written.to_csv(index=False)))
    np.testing.assert_array_equal(model.pipeline.predict_proba(read), expected)
    gaps = read.assign(day=np.nan)
    assert model.pipeline.predict_proba(gaps).shape == (ROWS, 2)


def test_same_table_gives_the_same_artifact() -> None:
    assert dump(trained(dated()).pipeline) == dump(trained(dated()).pipeline)


def test_names_may_hold_what_scikit_learn_forbids_in_a_step() -> None:
    table = dated().rename(columns={"day": "a__day"})
    assert trained(table).engine["reason"] == ""
