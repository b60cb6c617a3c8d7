"""Permutation importance: the feature that decides comes first, one that is noise costs nothing."""

import time

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from training.ml.judge.decision import Decision
from training.ml.judge.importance import EFFORTS, Effort, _sample, choose_effort, importance
from training.ml.progress import Phase, Progress


def fitted(rows: int = 300) -> tuple[Pipeline, pd.DataFrame, NDArray[np.object_]]:
    random = np.random.default_rng(1)
    X = pd.DataFrame({"noise": random.normal(size=rows), "signal": random.normal(size=rows)})
    y = np.where(X["signal"] + random.normal(0, 0.2, rows) > 0, "yes", "no").astype(object)
    return Pipeline([("model", LogisticRegression())]).fit(X, y), X, y


def test_the_feature_that_decides_comes_first() -> None:
    pipeline, X, y = fitted()
    (first, last), effort = importance(pipeline, X, y, Decision(("no", "yes"), "yes"), seed=0, jobs=1)
    assert effort == Effort(300, 5)
    assert (first["feature"], last["feature"]) == ("signal", "noise")
    assert first["mean"] > 0.3
    assert last["mean"] == pytest.approx(0, abs=0.02)


def test_the_same_seed_gives_the_same_figures() -> None:
    pipeline, X, y = fitted()
    runs = [importance(pipeline, X, y, Decision(("no", "yes"), "yes"), seed=7, jobs=jobs) for jobs in (1, 2)]
    assert runs[0] == runs[1]


def test_many_rows_are_sampled_with_every_class_among_them() -> None:
    y = np.array(["common"] * (EFFORTS[0].rows * 5) + ["rare"], dtype=object)
    kept = _sample(y, ("common", "rare"), seed=0)
    assert len(kept) <= EFFORTS[0].rows + 2
    assert set(y[kept]) == {"common", "rare"}


@pytest.mark.parametrize(
    ("seconds_per_row", "rows", "features", "effort"),
    [
        (1e-6, 2_000, 60, Effort(2_000, 5)),
        # 400 rows of a forest of 500 trees
        (4e-4, 400, 60, Effort(2_000, 2)),
        (4e-4, 2_000, 60, Effort(1_000, 1)),
        (3.9e-4, 2_000, 500, Effort(150, 1)),
        (1.0, 2_000, 10_000, EFFORTS[-1]),
    ],
)
def test_the_effort_keeps_to_the_budget_of_seconds(
    seconds_per_row: float, rows: int, features: int, effort: Effort
) -> None:
    assert choose_effort(seconds_per_row, rows, features) == effort


class Slow(LogisticRegression):  # type: ignore[misc]
    """A model that takes a tenth of a millisecond of the processor for each row."""

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        until = time.thread_time() + len(X) / 10_000
        while time.thread_time() < until:
            pass
        proba: NDArray[np.float64] = super().predict_proba(X)
        return proba


def test_a_slow_model_on_many_features_keeps_to_the_budget_and_tells_how_far_it_is() -> None:
    random = np.random.default_rng(1)
    X = pd.DataFrame(random.normal(size=(1_500, 100)), columns=[f"x{number}" for number in range(100)])
    y = np.where(X["x7"] > 0, "yes", "no").astype(object)
    answer: list[Progress] = []
    began = time.thread_time()
    features, effort = importance(
        Pipeline([("model", Slow())]).fit(X, y),
        X,
        y,
        Decision(("no", "yes"), "yes"),
        seed=0,
        jobs=1,
        report=answer.append,
        seconds=2.0,
    )
    # at full effort it would take 75 s
    assert time.thread_time() - began < 4
    assert effort == Effort(effort.rows, 1)
    assert 150 <= effort.rows <= 152
    assert features[0]["feature"] == "x7"
    assert {item.phase for item in answer} == {Phase.IMPORTANCE}
    assert (answer[0].done, answer[0].total) == (0, 100)
    assert [item.done for item in answer] == sorted(item.done for item in answer)
    assert len(answer) > 2
