"""How long a run will take, from its size and from the runs that this machine has finished."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from training.ml.search.recipe import Recipe
from training.models import Dataset, Run

# seconds to start the process and to import scikit-learn, of a fit of any size, and of a fit for each cell of the table;
# measured on two cores. Finished runs correct all of them by a factor.
START_SECONDS, FIT_SECONDS, CELL_SECONDS = 4.0, 0.04, 1.0e-6
# searches whose fits are cheaper or dearer than those of a grid: halving fits most settings on few rows, and Optuna
# fits one after the other
WEIGHTS = {"halving": 0.5, "optuna": 2.0}
# finished runs to learn from, and the limits of what they may say
LEARNED_FROM = 10
SLOWEST, FASTEST = 20.0, 0.1


@dataclass(frozen=True)
class Past:
    """A finished run: its recipe, the fits that it made, the size of its table, and the seconds that it took."""

    recipe: Recipe
    fits: int
    cells: int
    seconds: float

    @property
    def factor(self) -> float:
        """How much slower it was than expected without experience."""
        return self.seconds / _expected(self.recipe, self.fits, self.cells)


def past() -> list[Past]:
    """The last runs that succeeded, the newest first."""
    rows = Run.objects.filter(state=Run.State.SUCCEEDED).select_related("dataset").order_by("-id")
    needed = ("recipe_data", "fits_total", "started_at", "finished_at", "dataset__rows", "dataset__columns")
    return [
        Past(run.recipe, run.fits_total, run.dataset.rows * run.dataset.columns, run.seconds or 0)
        for run in rows.only("state", *needed)[:LEARNED_FROM]
    ]


def seconds(dataset: Dataset, recipe: Recipe, runs: Sequence[Past]) -> float:
    """Estimate the seconds of a run on a dataset.

    Args:
        runs: what `past` returns. Runs with the same search count alone, if there are any.
    """
    alike = [run for run in runs if _kind(run.recipe) == _kind(recipe)] or runs
    factor = median(run.factor for run in alike) if alike else 1.0
    expected = _expected(recipe, recipe.fits, dataset.rows * dataset.columns)
    estimate = expected * min(max(factor, FASTEST), SLOWEST)
    if recipe.max_minutes is None:
        return estimate
    # the best model is fitted and judged after the search, which takes about a fifth of its time
    return min(estimate, START_SECONDS + 60 * recipe.max_minutes * 1.2)


def _kind(recipe: Recipe) -> tuple[str, str]:
    return recipe.estimator, recipe.search


def _expected(recipe: Recipe, fits: int, cells: int) -> float:
    """The seconds of a run on the machine of the constants."""
    return START_SECONDS + fits * WEIGHTS.get(recipe.search, 1.0) * (FIT_SECONDS + CELL_SECONDS * cells)
