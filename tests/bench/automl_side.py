"""A minute of FLAML or AutoGluon on the rows of a folder, in the environment of `tests.bench.auto`: called by it alone."""

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

SINGLE_ROWS = 30
TWO = 2  # classes


def flaml(fit: pd.DataFrame, target: str, seconds: float) -> tuple[Any, list[str], str]:
    from flaml import AutoML  # type: ignore[import-not-found]

    model = AutoML()
    model.fit(
        fit.drop(columns=target),
        fit[target],
        task="classification",
        metric="roc_auc" if fit[target].nunique() == TWO else "roc_auc_ovr",
        time_budget=seconds,
        n_jobs=2,
        verbose=0,
        seed=0,
    )
    return model.predict_proba, [str(label) for label in model.classes_], str(model.best_estimator)


def autogluon(fit: pd.DataFrame, target: str, seconds: float) -> tuple[Any, list[str], str]:
    from autogluon.tabular import TabularPredictor  # type: ignore[import-not-found]

    metric = "roc_auc" if fit[target].nunique() == TWO else "roc_auc_ovr_macro"
    model = TabularPredictor(target, eval_metric=metric, verbosity=0, path=str(Path(sys.argv[2]) / "models"))
    model.fit(fit, time_limit=seconds, presets="good_quality", num_cpus=2)
    return (
        lambda rows: model.predict_proba(rows).to_numpy(),
        [str(label) for label in model.class_labels],
        model.model_best,
    )


def main() -> None:
    side, folder, target, seconds = sys.argv[1], Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    fit, test = (
        pd.read_csv(folder / f"{part}.csv", dtype={target: str}, keep_default_na=True)
        for part in ("fit", "test")
    )
    for column in fit.columns:
        if column != target and not pd.api.types.is_numeric_dtype(fit[column]):
            known = pd.CategoricalDtype(sorted({*fit[column].dropna(), *test[column].dropna()}, key=str))
            fit[column], test[column] = fit[column].astype(known), test[column].astype(known)
    began = time.monotonic()
    predict, classes, name = {"FLAML": flaml, "AutoGluon": autogluon}[side](fit, target, seconds)
    took = time.monotonic() - began
    rows = test.drop(columns=target)
    np.save(folder / "proba.npy", predict(rows))
    waits = []
    for place in range(min(SINGLE_ROWS, len(rows))):
        one = rows.iloc[[place]]
        start = time.perf_counter()
        predict(one)
        waits.append(time.perf_counter() - start)
    print(json.dumps({"seconds": took, "row_ms": 1_000 * median(waits), "classes": classes, "model": name}))


if __name__ == "__main__":
    main()
