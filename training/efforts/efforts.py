"""How hard a run tries: three plain choices, each of which stands for a search."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from training.ml.search.families import AUTO
from training.ml.search.recipe import Recipe

# the choice that takes the settings of the form instead
CUSTOM = "custom"


@dataclass(frozen=True)
class Effort:
    """A choice: its title, what it does, and the members of the recipe that it sets."""

    title: str
    hint: str
    values: Mapping[str, Any]

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe with this search; metric, seed, class weights, aim and groups stay."""
        return replace(recipe, **self.values)


def _values(search: str, folds: int, max_fits: int | None, max_minutes: float) -> dict[str, Any]:
    # a budget of minutes lets a person stop the search and keep the best so far
    return {
        "estimator": AUTO,
        "search": search,
        "folds": folds,
        "space": None,
        "max_fits": max_fits,
        "max_minutes": max_minutes,
    }


EFFORTS = {
    "quick": Effort("Quick", "a few settings of all kinds of models", _values("random", 3, None, 5.0)),
    "balanced": Effort("Balanced", "more settings, each judged on more rows", _values("grid", 5, 100, 20.0)),
    "thorough": Effort("Thorough", "all settings of all kinds of models", _values("grid", 5, None, 120.0)),
}
USUAL = "balanced"


def effort_of(recipe: Recipe) -> str:
    """The choice that a recipe stands for, CUSTOM if none."""
    return next((name for name, effort in EFFORTS.items() if effort.recipe(recipe) == recipe), CUSTOM)
