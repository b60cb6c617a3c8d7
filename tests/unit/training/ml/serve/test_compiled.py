"""The compiled form of a pipeline: the same answers as scikit-learn's, or none."""

import dataclasses
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from training.ml.judge.decision import Decision
from training.ml.search.calibration import calibrated
from training.ml.search.estimators import build_pipeline, fit_mix
from training.ml.search.families import BOOSTING, CATBOOST, FAMILIES, PLAIN_BOOSTING
from training.ml.serve.compiled import (
    ENGINE,
    Compiled,
    agrees,
    compile_pipeline,
    edge_rows,
    export,
    fastest_from,
)
from training.ml.serve.compiled_trees import interpolated
from training.ml.serve.loaded_model import SCIKIT_LEARN, LoadedModel, choose_engine
from training.ml.serve.onnx_graph import FEATURES, Graph, running
from training.ml.tables.contract import MANY_LEVELS, Contract, labels
from training.ml.tables.inference import infer

ROWS = 600


def table(classes: int) -> pd.DataFrame:
    """Numbers on three scales, gaps, a flag, a small category and one with more values than a block has columns."""
    random = np.random.default_rng(1)
    size = random.normal(0, 1, ROWS)
    frame = pd.DataFrame(
        {
            "size": size,
            "price": np.where(random.random(ROWS) < 0.1, np.nan, np.exp(size * 3) * 1_000),
            "count": random.integers(0, 40, ROWS),
            "flag": random.random(ROWS) < 0.5,
            "colour": random.choice(np.array(["red", "green", None], dtype=object), ROWS),
            "city": [f"city {number}" for number in random.integers(0, 2 * MANY_LEVELS, ROWS)],
        }
    )
    frame.loc[random.random(ROWS) < 0.05, "city"] = None
    score = size + frame["flag"] + random.normal(0, 0.5, ROWS)
    frame["label"] = pd.qcut(score, classes, labels=[f"class {number}" for number in range(classes)]).astype(
        str
    )
    return frame


def fitted(family: str, classes: int = 2) -> tuple[Pipeline, Contract, pd.DataFrame]:
    frame = table(classes)
    contract = infer(frame, "label")
    X = contract.prepare(frame)
    pipeline = build_pipeline(contract, family, 0).fit(X[: ROWS // 2], labels(frame["label"])[: ROWS // 2])
    return pipeline, contract, X


def compiled_of(family: str, classes: int = 2) -> tuple[Compiled, Pipeline, Contract, pd.DataFrame]:
    pipeline, contract, X = fitted(family, classes)
    compiled = compile_pipeline(pipeline, contract)
    assert compiled
    return compiled, pipeline, contract, X


def decision_of(contract: Contract) -> Decision:
    return Decision(contract.classes, contract.positive, 0.5)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_as_scikit_learn_on_real_and_on_extreme_rows(family: str, classes: int) -> None:
    compiled, pipeline, contract, X = compiled_of(family, classes)
    for rows in (X, edge_rows(contract, X)):
        assert np.abs(compiled.proba(rows) - pipeline.predict_proba(rows)).max() < 1e-6
        assert agrees(compiled, pipeline, rows, decision_of(contract))


MIXED: dict[str, dict[str, Any]] = {
    BOOSTING: {"n_estimators": 20, "num_leaves": 8},
    CATBOOST: {"n_estimators": 20, "depth": 3},
    PLAIN_BOOSTING: {"max_iter": 10},
    "random_forest": {"n_estimators": 10},
    "logistic_regression": {"C": 1.0},
}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "families", [list(MIXED), [BOOSTING, BOOSTING], ["logistic_regression", "random_forest"]], ids=len
)
def test_a_mix_answers_as_scikit_learn_on_real_and_on_extreme_rows(families: list[str], classes: int) -> None:
    frame = table(classes)
    # a class with few rows
    frame.loc[frame.index[:ROWS:100], "label"] = "class rare"
    contract = infer(frame, "label")
    X, y = contract.prepare(frame), frame["label"].to_numpy(dtype=object)
    members = [
        {"family": family, "params": MIXED[family], "weight": weight / 10}
        for weight, family in enumerate(families, start=1)
    ]
    pipeline = fit_mix(contract, members, X[: ROWS // 2], y[: ROWS // 2], 0, threads=lambda family: 1)
    compiled = compile_pipeline(pipeline, contract)
    assert compiled
    for rows in (X, edge_rows(contract, X)):
        assert np.abs(compiled.proba(rows) - pipeline.predict_proba(rows)).max() < 1e-6
        assert agrees(compiled, pipeline, rows, decision_of(contract))
    records = [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in X.head(20).to_dict("records")
    ]
    assert np.array_equal(
        compiled.preprocessor.records(records), compiled.preprocessor.frame(X.head(20)), equal_nan=True
    )
    # each member is the estimator alone, fitted on the same rows
    alone = build_pipeline(contract, families[0], 0)
    alone.named_steps["model"].set_params(**MIXED[families[0]])
    alone.fit(X[: ROWS // 2], y[: ROWS // 2])
    prepared = pipeline.named_steps["preprocessor"].transform(X)
    member = pipeline.named_steps["model"].estimators_[0]
    assert np.allclose(member.predict_proba(prepared), alone.predict_proba(X), atol=1e-9)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_calibrated_mix_is_exported_as_one_graph(method: str, classes: int) -> None:
    frame = table(classes)
    contract = infer(frame, "label")
    X, y = contract.prepare(frame), frame["label"].to_numpy(dtype=object)
    members = [{"family": family, "params": params, "weight": 0.25} for family, params in MIXED.items()]
    pipeline = fit_mix(contract, members, X, y, 0, threads=lambda family: 1)
    mix, prepared = pipeline.named_steps["model"], pipeline.named_steps["preprocessor"].transform(X)
    model = calibrated(mix, method, y, mix.predict_proba(prepared))
    exported = export(model, prepared.shape[1])
    assert exported
    onnx.checker.check_model(exported, full_check=True)
    assert [value.name for value in exported.graph.input] == [FEATURES]
    assert np.abs(running(exported)(prepared) - model.predict_proba(prepared)).max() < 1e-5


@pytest.mark.parametrize("count", [1, 2, 3, 8, 100])
def test_a_line_through_points_is_that_of_numpy(count: int) -> None:
    random = np.random.default_rng(count)
    # among them two knots that are close together, and ends that are steep
    knots = np.sort(random.choice(np.arange(100_000), count, replace=False)) / 100_000
    values = np.sort(random.random(count))
    graph = Graph(1)
    predict = running(graph.model(interpolated(FEATURES, knots, values, graph), 1))
    between = (knots[1:] + knots[:-1]) / 2
    asked = np.concatenate(
        [[-1.0, 0.0, 1.0, 2.0], knots, between, np.nextafter(knots, -1), random.random(50)]
    )
    assert np.abs(predict(asked[:, None])[:, 0] - np.interp(asked, knots, values)).max() < 1e-9


@pytest.mark.parametrize("family", FAMILIES)
def test_categories_that_share_a_column_are_compiled(family: str) -> None:
    pipeline, contract, X = fitted(family)
    step = "codes" if FAMILIES[family].native else "categories"
    pipeline.set_params(**{f"preprocessor__{step}__encoder__max_categories": 2})
    pipeline.fit(X, table(2)["label"])
    compiled = compile_pipeline(pipeline, contract)
    assert compiled
    assert agrees(compiled, pipeline, edge_rows(contract, X), decision_of(contract))


def test_records_and_frames_are_preprocessed_alike() -> None:
    compiled, pipeline, _, X = compiled_of("random_forest")
    records = [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in X.to_dict("records")
    ]
    expected = pipeline.named_steps["preprocessor"].transform(X)
    assert np.array_equal(compiled.preprocessor.frame(X), expected)
    assert np.array_equal(compiled.preprocessor.records(records), expected)


def test_edge_rows_hold_every_kind_of_trouble() -> None:
    _, contract, X = fitted("logistic_regression")
    edges = edge_rows(contract, X)
    assert edges.isna().any().all()
    assert (edges["size"].abs() == 1e30).any()
    assert not set(edges["colour"].dropna()) <= set(X["colour"].dropna())
    assert list(edges.dtypes) == list(X.dtypes)


def test_a_difference_in_one_row_is_no_agreement() -> None:
    compiled, pipeline, contract, X = compiled_of("logistic_regression")

    def bent(rows: np.ndarray) -> np.ndarray:
        proba = compiled.predict(rows)
        proba[7] += [2e-6, -2e-6]
        return proba

    assert not agrees(dataclasses.replace(compiled, predict=bent), pipeline, X, decision_of(contract))


def test_an_unknown_estimator_is_left_to_scikit_learn() -> None:
    pipeline, contract, X = fitted("random_forest")
    pipeline.steps[-1] = ("model", KNeighborsClassifier())
    pipeline.fit(X.fillna({"colour": "red"}), table(2)["label"])
    engine = choose_engine(pipeline, contract, X, 0.5)
    assert engine["name"] == SCIKIT_LEARN
    assert "cannot be compiled" in engine["reason"]
    assert LoadedModel.load(pipeline, contract, 0.5, engine, [contract.example]).engine == SCIKIT_LEARN


def test_an_engine_that_differs_at_load_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    pipeline, contract, X = fitted("logistic_regression")
    engine = choose_engine(pipeline, contract, X, 0.5)
    assert LoadedModel.load(pipeline, contract, 0.5, engine, [contract.example]).engine == ENGINE
    # a fitted part that the compiled form does not know of
    pipeline.named_steps["preprocessor"].set_params(transformer_weights={"numbers": 2.0})
    assert LoadedModel.load(pipeline, contract, 0.5, engine, [contract.example]).engine == SCIKIT_LEARN
    assert "differ from those at registration" in caplog.text


def test_large_batches_go_to_whichever_engine_was_faster() -> None:
    compiled, pipeline, contract, X = compiled_of("random_forest")
    assert fastest_from(compiled, pipeline, X) in {None, 1_000, 10_000}
    asked: list[int] = []

    def counting(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return compiled.predict(rows)

    model = LoadedModel(pipeline, contract, 0.5, dataclasses.replace(compiled, predict=counting), 100)
    small, large = model.proba(X[:99]), model.proba(X)
    assert asked == [99]
    assert np.abs(small - large[:99]).max() < 1e-6
    result, proba = model.score([contract.example] * 100)
    assert asked == [99]
    assert len(result) == len(proba) == 100


def test_the_edge_rows_of_a_wide_table_are_few_and_have_every_value() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(40, 300)), columns=[f"x{place}" for place in range(300)])
    frame["colour"] = random.choice(["red", "green"], 40)
    frame["label"] = np.where(frame["x0"] > 0, "yes", "no")
    contract = infer(frame, "label")
    edges = edge_rows(contract, contract.prepare(frame))
    assert len(edges) == 3_002
    assert edges.isna().any().all()
    numbers = edges.drop(columns="colour")
    assert (numbers.min() == -1e30).all()
    assert (numbers.max() == 1e30).all()
    assert len(edges["colour"].unique()) == 4
