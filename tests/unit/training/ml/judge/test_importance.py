"""Permutation importance: the feature that decides comes first, one that is noise costs nothing."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from training.ml.judge.decision import Decision
from training.ml.judge.importance import ROWS, _sample, importance


def fitted(rows: int = 300) -> tuple[Pipeline, pd.DataFrame, NDArray[np.object_]]:
    random = np.random.default_rng(1)
    X = pd.DataFrame({"noise": random.normal(size=rows), "signal": random.normal(size=rows)})
    y = np.where(X["signal"] + random.normal(0, 0.2, rows) > 0, "yes", "no").astype(object)
    return Pipeline([("model", LogisticRegression())]).fit(X, y), X, y


def test_the_feature_that_decides_comes_first() -> None:
    pipeline, X, y = fitted()
    first, last = importance(pipeline, X, y, Decision(("no", "yes"), "yes"), seed=0, jobs=1)
    assert (first["feature"], last["feature"]) == ("signal", "noise")
    assert first["mean"] > 0.3
    assert last["mean"] == pytest.approx(0, abs=0.02)


def test_the_same_seed_gives_the_same_figures() -> None:
    pipeline, X, y = fitted()
    runs = [importance(pipeline, X, y, Decision(("no", "yes"), "yes"), seed=7, jobs=jobs) for jobs in (1, 2)]
    assert runs[0] == runs[1]


def test_many_rows_are_sampled_with_every_class_among_them() -> None:
    y = np.array(["common"] * (ROWS * 5) + ["rare"], dtype=object)
    kept = _sample(y, ("common", "rare"), seed=0)
    assert len(kept) <= ROWS + 2
    assert set(y[kept]) == {"common", "rare"}
