"""How hard a run tries: three plain choices, each of which stands for a search."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from training.ml.search.families import AUTO
from training.ml.search.recipe import PORTFOLIO, Recipe

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


def _values(max_minutes: float) -> dict[str, Any]:
    return {
        "estimator": AUTO,
        "search": PORTFOLIO,
        "folds": Recipe.folds,
        "space": None,
        "max_fits": None,
        "max_minutes": max_minutes,
    }


EFFORTS = {
    "quick": Effort("Quick", "proven settings of all kinds of models, and a short search", _values(1.0)),
    "balanced": Effort("Balanced", "a search around the best of them", _values(5.0)),
    "thorough": Effort("Thorough", "a long search around the best of them", _values(30.0)),
}
USUAL = "balanced"


def effort_of(recipe: Recipe) -> str:
    """The choice that a recipe stands for, CUSTOM if none."""
    return next((name for name, effort in EFFORTS.items() if effort.recipe(recipe) == recipe), CUSTOM)
