"""Calibration: kept where it helps, scikit-learn's own in the artifact, and the same in the compiled engine."""

import io
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from training.ml.judge.decision import Decision
from training.ml.search.calibration import calibrated, choose_calibration
from training.ml.search.estimators import build_pipeline
from training.ml.search.recipe import Recipe
from training.ml.serve.compiled import agrees, compile_pipeline, edge_rows
from training.ml.tables.inference import infer
from training.ml.trainer import train

ROWS = 1_500


def overconfident(classes: int) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Labels, and probabilities that are further from the middle than the shares of the labels."""
    random = np.random.default_rng(0)
    true = random.dirichlet(np.ones(classes), ROWS)
    places = (random.random((ROWS, 1)) > true.cumsum(axis=1)).sum(axis=1)
    sharp = true**3
    return np.array(list("abc"), dtype=object)[places], sharp / sharp.sum(axis=1, keepdims=True)


def parts() -> list[NDArray[np.intp]]:
    return np.array_split(np.arange(ROWS), 3)


@pytest.mark.parametrize("classes", [2, 3])
def test_overconfident_probabilities_are_calibrated(classes: int) -> None:
    y, proba = overconfident(classes)
    result = choose_calibration(y, proba, parts())
    assert result.method
    assert result.log_loss[result.method] < result.log_loss["none"]
    facts = result.to_dict(y, proba, Decision(tuple("abc"[:classes]), "b" if classes == 2 else None))
    assert facts["error"]["after"] < facts["error"]["before"] / 2
    assert len(facts["curves"]["after"]) == (1 if classes == 2 else 3)


def test_calibrated_probabilities_stay_as_they_are() -> None:
    random = np.random.default_rng(0)
    positive = random.random(ROWS)
    y = np.where(random.random(ROWS) < positive, "b", "a").astype(object)
    result = choose_calibration(y, np.column_stack([1 - positive, positive]), parts())
    assert result.method is None
    assert set(result.log_loss) == {"none", "sigmoid", "isotonic"}


def test_few_rows_are_not_calibrated() -> None:
    y, proba = overconfident(2)
    result = choose_calibration(y[:150], proba[:150], np.array_split(np.arange(150), 3))
    assert (result.method, list(result.log_loss)) == (None, ["none"])


def table(classes: int) -> pd.DataFrame:
    """Numbers with gaps and a category, with a label that is hard to tell."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(300, 3)), columns=["x", "y", "z"])
    frame["plan"] = random.choice(["basic", "plus", "pro"], 300)
    score = frame["x"] + random.normal(0, 2, 300)
    frame["left"] = np.array(list("abc"))[pd.qcut(score, classes, labels=False)]
    frame.loc[::9, "y"] = np.nan
    return frame


MODELS: dict[str, Any] = {
    "random_forest": RandomForestClassifier(5, random_state=0),
    "hist_gradient_boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0),
}


@pytest.mark.parametrize(("classes", "method"), [(2, "sigmoid"), (2, "isotonic"), (3, "sigmoid")])
@pytest.mark.parametrize("family", MODELS)
def test_the_compiled_engine_gives_the_same_probabilities(family: str, classes: int, method: str) -> None:
    frame = table(classes)
    contract = infer(frame, "left")
    X, y = contract.prepare(frame), contract.labels_of(frame).to_numpy(dtype=object)
    pipeline = build_pipeline(contract, family, 0)
    pipeline.set_params(model=MODELS[family]).fit(X, y)
    plain = pipeline.predict_proba(X)
    pipeline.steps[-1] = ("model", calibrated(pipeline.named_steps["model"], method, y, plain))
    after = pipeline.predict_proba(X)
    assert np.abs(after - plain).max() > 0.01
    np.testing.assert_allclose(after.sum(axis=1), 1)
    compiled = compile_pipeline(pipeline, contract)
    assert compiled is not None
    assert compiled.engine == "onnxruntime"
    decision = Decision(contract.classes, contract.positive, 0.5 if classes == 2 else None)
    for rows in (X, edge_rows(contract, X)):
        assert agrees(compiled, pipeline, rows, decision)


def test_a_trained_model_is_calibrated_by_classes_of_scikit_learn_alone() -> None:
    random = np.random.default_rng(2)
    frame = pd.DataFrame(random.normal(size=(2_000, 2)), columns=["x", "y"])
    frame["left"] = np.where(frame["x"] + random.normal(0, 1.5, 2_000) > 0, "yes", "no")
    # leaves of one row make a forest too sure of itself
    recipe = Recipe(folds=3, space={"n_estimators": [5], "min_samples_leaf": [1]})
    trained = train(frame, infer(frame, "left"), recipe, jobs=1, accelerate=False)
    facts = trained.out_of_fold["calibration"]
    assert facts["error"]["after"] < facts["error"]["before"]
    model = trained.pipeline.named_steps["model"]
    assert isinstance(model, CalibratedClassifierCV)
    buffer = io.BytesIO()
    joblib.dump(trained.pipeline, buffer)
    assert b"training.ml.search.calibration" not in buffer.getvalue()
    assert trained.engine["name"] == "onnxruntime"
    again = clone(trained.pipeline).fit(frame[["x", "y"]], frame["left"]).predict_proba(frame[["x", "y"]])
    assert np.abs(again - trained.pipeline.predict_proba(frame[["x", "y"]])).mean() < 0.1
