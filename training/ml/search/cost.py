"""What a search costs: seconds of processor time, from the size of the table and the settings to try.

The constants were fitted to single fits of each family on 12 made tables of 400 to 20,000 rows, 5 to 60 inputs and 2 to 5
classes. `measure` compares the machine with the one on which they were measured.
"""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from training.ml.search.families import BOOSTING, CATBOOST, FAMILIES, PLAIN_BOOSTING
from training.ml.search.recipe import HOLD_OUT, PORTFOLIO, Recipe
from training.ml.tables.contract import MANY_LEVELS, SELECTED_WORDS, Contract, Kind

# parameters of forests of which one fit serves all values, see `nested_forests`
NESTING = ("n_estimators", "max_depth")
SHARING = ("grid", "random")
TREES = 200  # of the largest forest of a group
# parts of a forest's growth that it takes to score its members, and mean cost of its leaves of 1 and 4 rows
JUDGING, LEAVES = 0.35, 0.9
# mean iterations of boosting, which may end early if there are many rows, and mean cost of its trees of 15 and 31 leaves
ITERATIONS, EARLY_ITERATIONS, EARLY_ROWS, SIZES = 150, 100, 10_000, 0.8
# cost of LightGBM's trees, as a part of that of scikit-learn's
LIGHTGBM = 0.65
# seconds to prepare the rows of a fold and to score it, of any size and for each cell
FOLD_SECONDS, FOLD_CELL_SECONDS = 0.04, 1.0e-7
# parts of the full fits that halving does; it does most fits on few rows
HALVING = 0.4
# settings after which the search of a portfolio ends because nothing better is found, if it has the time; with more rows than
# these boosting tends to win, which has more parameters to try
SETTLED, SETTLED_MANY, MANY_ROWS = 120, 400, 1_000
# numbers that a date becomes, at most
DATE_WIDTH = 5
# rows and features of the tables on which a machine is measured
SAMPLES = {
    "random_forest": (3_000, 10),
    "extra_trees": (3_000, 10),
    "hist_gradient_boosting": (3_000, 10),
    "lightgbm": (3_000, 10),
    "catboost": (3_000, 10),
    "logistic_regression": (20_000, 40),
}
# cost of the fit that is measured, as a part of the mean over settings and tables: boosting has 100 iterations of the larger
# trees, and the made table is easy for a regression
OF_MEAN = {
    "hist_gradient_boosting": 100 / ITERATIONS / SIZES,
    "lightgbm": 100 / ITERATIONS,
    "catboost": 1_000 / ITERATIONS,
    "logistic_regression": 0.23,
}


@dataclass(frozen=True)
class Size:
    """The size of a table: rows, inputs, features after preprocessing, and classes."""

    rows: int
    inputs: int
    width: int
    classes: int

    @classmethod
    def of(cls, contract: Contract, rows: int) -> "Size":
        return cls(rows, len(contract.features), max(width(contract), 1), len(contract.classes))


def width(contract: Contract) -> int:
    """The number of features after preprocessing, at most."""
    many, total = set(contract.levels), 0
    for feature in contract.features:
        if feature.kind == Kind.CATEGORY:
            per_class = len(contract.classes)
            total += per_class if feature.name in many else min(len(feature.categories) + 1, MANY_LEVELS)
        elif feature.kind == Kind.TEXT:
            total += SELECTED_WORDS
        elif feature.kind == Kind.DATE:
            total += DATE_WIDTH
        else:
            total += 1
    return total


def fit_seconds(family: str, size: Size) -> float:
    """The processor seconds of one fit with the settings of the default space, on the machine of the constants."""
    rows, classes = max(size.rows, 2), size.classes
    # boosting takes a category as one feature
    features = size.inputs if FAMILIES[family].native else size.width
    if FAMILIES[family].nests:
        slower = 1.45 if family == "extra_trees" else 1.0
        split = rows * math.log2(rows) * math.sqrt(features) * math.pow(classes / 2, 0.65)
        return 0.01 + slower * LEAVES * 2.5e-6 * split
    if FAMILIES[family].native:
        iterations = EARLY_ITERATIONS if rows > EARLY_ROWS else ITERATIONS
        trees = iterations * (1 if classes == 2 else classes)  # noqa: PLR2004
        overhead = (1.1e-3 + 5.4e-5 * features) * math.sqrt(min(1.0, rows / 1_000))
        seconds = trees * SIZES * (overhead + 1.1e-8 * rows * features)
        return seconds * LIGHTGBM if family == "lightgbm" else seconds
    if family == CATBOOST:
        # the scores of several classes share a tree
        work = 1.0 if classes == 2 else 0.7 * classes  # noqa: PLR2004
        return ITERATIONS * work * features * (1.1e-4 + 9.0e-9 * rows)
    return 0.005 + 6.0e-8 * rows * features * classes


def search_seconds(recipe: Recipe, size: Size, speeds: Mapping[str, float]) -> float:
    """The processor seconds of a search.

    Args:
        speeds: by family, how much slower this machine is than that of the constants; 1 for families without.
    """
    fold = Size(
        round(size.rows * (1 - HOLD_OUT) * (1 - 1 / recipe.folds)), size.inputs, size.width, size.classes
    )
    if recipe.search == PORTFOLIO:
        family = BOOSTING if BOOSTING in recipe.spaces else PLAIN_BOOSTING
        seconds = fit_seconds(family, fold) + FOLD_SECONDS
        settled = SETTLED_MANY if size.rows > MANY_ROWS else SETTLED
        return settled * recipe.folds * seconds * speeds.get(family, 1.0)
    share = recipe.candidates / recipe.size
    total = 0.0
    for family, space in recipe.spaces.items():
        settings = math.prod(len(values) for values in space.values())
        fits, work = settings * share, 1.0
        if FAMILIES[family].nests and recipe.search in SHARING:
            nested = math.prod(len(space.get(name, [None])) for name in NESTING)
            # the groups of which at least one setting is drawn
            fits = settings / nested * (1 - (1 - share) ** nested)
            work = 1 + JUDGING
        prepared = FOLD_SECONDS + FOLD_CELL_SECONDS * fold.rows * fold.inputs
        total += fits * (fit_seconds(family, fold) * work + prepared) * speeds.get(family, 1.0)
    return total * recipe.folds * (HALVING if recipe.search == "halving" else 1.0)


def refit_seconds(recipe: Recipe, size: Size, speeds: Mapping[str, float]) -> float:
    """The processor seconds of fitting a winner of an average family: once, and on the folds unless they are known."""
    fold = Size(round(size.rows * (1 - HOLD_OUT)), size.inputs, size.width, size.classes)
    means = []
    for family in recipe.spaces:
        known = FAMILIES[family].nests and recipe.search in SHARING
        once = fit_seconds(family, fold) * speeds.get(family, 1.0)
        means.append(once * (1 if known else 1 + recipe.folds))
    return sum(means) / len(means)


def measure() -> dict[str, float]:
    """How much slower this machine is than that of the constants, by family; takes a few seconds of one core."""
    import numpy as np

    from training.ml.search import forest_growing
    from training.ml.search.estimators import build_model

    factors = {}
    for family, (rows, features) in SAMPLES.items():
        if not FAMILIES[family].is_installed:
            continue
        random = np.random.default_rng(0)
        X = random.normal(size=(rows, features)).astype(np.float32)
        noisy = X @ random.normal(size=features) + random.normal(size=rows)
        y = np.array(["no", "yes"], dtype=object)[(noisy > 0).astype(int)]
        model = build_model(family, 0, accelerate=True)
        if FAMILIES[family].nests:
            model.set_params(n_estimators=TREES, n_jobs=1)
        seconds = []
        for _ in range(2):
            began = time.process_time()
            if FAMILIES[family].nests:
                list(forest_growing.grow(model, X, y).trees())
            else:
                model.fit(X, y)
            seconds.append(time.process_time() - began)
        expected = fit_seconds(family, Size(rows, features, features, 2)) * OF_MEAN.get(family, 1.0)
        factors[family] = min(seconds) / expected
    return factors


def measure_apart(seconds: float = 300) -> dict[str, float]:
    """`measure` in a process of its own, on one core, whose processor time says the same under any load.

    Raises:
        subprocess.SubprocessError, OSError: it failed or took longer than these seconds.
    """
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", __spec__.name],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
        timeout=seconds,
    )
    factors: dict[str, float] = json.loads(done.stdout)
    return factors


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure()))
