"""How long a run will take: from the size of its table, the speed of the machine, and the runs that it has finished."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from training.efforts.machine import cores_here
from training.ml.search import cost
from training.ml.search.cost import Size
from training.ml.search.recipe import PORTFOLIO, Recipe
from training.models import Dataset, MachineSpeed, Run

# seconds to start the process and those of the search, to read the table, and to judge and save a version
START_SECONDS = 6.0
# seconds of processor time to measure how much an input matters, and the budget of all of them
INPUT_SECONDS, INPUTS_SECONDS = 0.05, 30.0
# finished runs to learn from, and the limits of what they may say
LEARNED_FROM = 10
SLOWEST, FASTEST = 20.0, 0.1
# searches whose fits come one after the other
SERIAL = ("optuna",)


@dataclass(frozen=True)
class Past:
    """A finished run: its recipe, the size of its table, and the seconds that it took."""

    recipe: Recipe
    size: Size
    seconds: float


def past() -> list[Past]:
    """The last runs that succeeded and that nobody ended early, the newest first."""
    ended = Run.objects.filter(state=Run.State.SUCCEEDED, stop_requested_at=None)
    rows = ended.select_related("dataset").order_by("-id")
    needed = ("recipe_data", "started_at", "finished_at", "dataset__rows", "dataset__contract_data")
    return [
        Past(run.recipe, size_of(run.dataset), run.seconds or 0)
        for run in rows.only("state", *needed)[:LEARNED_FROM]
    ]


def size_of(dataset: Dataset) -> Size:
    return Size.of(dataset.contract, dataset.rows)


def seconds(size: Size, recipe: Recipe, runs: Sequence[Past], machine: MachineSpeed | None = None) -> float:
    """Estimate the seconds of a run.

    Args:
        size: that of its table.
        runs: what `past` returns. Runs with the same search count alone, if there are any. A portfolio, which goes on for as
            long as it finds better models, has nothing in common with the others.
        machine: the machine that will execute it; None for that of the constants with the cores of this one.
    """
    alike = [run for run in runs if _kind(run.recipe) == _kind(recipe)]
    if not alike and recipe.search != PORTFOLIO:
        alike = [run for run in runs if run.recipe.search != PORTFOLIO]
    # a run that used all of its time says nothing about how long it would have gone on
    factors = [
        run.seconds / min(_expected(run.recipe, run.size, machine), _limit(run.recipe)) for run in alike
    ]
    factor = median(factors) if factors else 1.0
    return min(_expected(recipe, size, machine) * min(max(factor, FASTEST), SLOWEST), _limit(recipe))


def _limit(recipe: Recipe) -> float:
    """The seconds that a run takes at most within its budget of time."""
    if recipe.budget_minutes is None:
        return math.inf
    if recipe.search == PORTFOLIO:
        return 60 * recipe.budget_minutes
    # the best model is fitted and judged after the search, which takes about a fifth of its time
    return START_SECONDS + 60 * recipe.budget_minutes * 1.2


def _kind(recipe: Recipe) -> tuple[str, str]:
    return recipe.estimator, recipe.search


def _expected(recipe: Recipe, size: Size, machine: MachineSpeed | None) -> float:
    """The seconds of a run without experience of others."""
    factors = machine.factors if machine else {}
    cores = machine.cores if machine else cores_here()
    search = cost.search_seconds(recipe, size, factors) / (1 if recipe.search in SERIAL else cores)
    slower = median(factors.values()) if factors else 1.0
    inputs = min(slower * INPUT_SECONDS * size.inputs, INPUTS_SECONDS)
    after = cost.refit_seconds(recipe, size, factors) + inputs
    return START_SECONDS * slower + search + after / cores
