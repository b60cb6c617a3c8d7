"""A recipe: all settings of a training apart from its table, checked before anything is fitted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from training.ml.judge.aim import Aim, AimError
from training.ml.judge.names import METRICS
from training.ml.search.families import AUTO, FAMILIES, families_of

HOLD_OUT = 0.2  # share of the rows
RANDOM_CANDIDATES = 8  # settings
HALVING_FACTOR = 3  # each round keeps a third of the settings and takes three times the rows
# expected rows of the rarest class in each fold of the smallest subsample in a halving search
HALVING_ROWS = 5
# the search of `auto` by default, which has its own settings
PORTFOLIO = "portfolio"
SPACE_SEARCHES = ("grid", "random", "halving", "optuna")
SEARCHES = (*SPACE_SEARCHES, PORTFOLIO)
PORTFOLIO_MINUTES = 5.0  # without a budget
PORTFOLIO_SETTINGS = 2_000  # at most
BALANCED = "balanced"
MAX_FITS = 100_000  # models

Space = Mapping[str, Sequence[Any]]


class RecipeError(ValueError):
    """The recipe does not fit the table or names something unknown; the message says what to change."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    `space` maps the estimator's parameters to lists of values to try; None is for the family's default. `auto` searches
    all families, and its space maps family names to such spaces. `search` is by default `portfolio` for `auto` without a
    space, and `grid` otherwise. `scoring` is one of the five metrics or any scikit-learn scorer of class labels or
    probabilities. `class_weight` is None or "balanced". `max_fits` and `max_minutes` end the search early with the best so
    far; the minutes of `portfolio` are those of the whole training. `positive` is the class of two to which precision,
    recall and the threshold refer; None is for that of the contract. `aim` chooses the threshold, see `aim.Aim`. `group` is
    a column whose values, such as a customer's number, mark rows that belong together: no split parts them. `time` is a
    column of dates or numbers that orders the rows: the newest fifth is held out, and folds are blocks of time. Only one of
    the two can be given.
    """

    estimator: str = "random_forest"
    search: str = ""
    scoring: str = "roc_auc"
    folds: int = 5
    seed: int = 0
    space: Mapping[str, Any] | None = None
    class_weight: str | None = None
    max_fits: int | None = None
    max_minutes: float | None = None
    aim: Mapping[str, Any] | None = None
    positive: str | None = None
    group: str | None = None
    time: str | None = None

    def __post_init__(self) -> None:
        if not self.search:
            has_own = self.estimator == AUTO and not self.space
            object.__setattr__(self, "search", PORTFOLIO if has_own else "grid")

    def check(self) -> Self:
        """Raise RecipeError unless every part names something that exists."""
        # imported here, because processes that only read recipes do not need scikit-learn
        from sklearn.metrics import get_scorer_names

        if self.space is not None and not isinstance(self.space, Mapping):
            raise RecipeError(f"the space is {self.space!r}; expected parameter names with lists of values")
        if self.estimator not in (*FAMILIES, AUTO):
            raise RecipeError(
                f"unknown estimator {self.estimator!r}; choose from {', '.join((*FAMILIES, AUTO))}"
            )
        self._check_search()
        if self.scoring not in METRICS and self.scoring not in get_scorer_names():
            raise RecipeError(
                f"unknown scoring {self.scoring!r}; choose from {', '.join(METRICS)} or scikit-learn's "
                "scorer names"
            )
        if self.class_weight not in {None, BALANCED}:
            raise RecipeError(f"class_weight is {self.class_weight!r}; expected {BALANCED!r} or none")
        self._check_values()
        for family, space in self.spaces.items():
            _check_space(family, space)
        if self.fits > MAX_FITS:
            raise RecipeError(
                f"the recipe asks for {self.fits:,} fits; at most {MAX_FITS:,} are allowed. "
                "Try fewer values, or set a budget of fits"
            )
        try:
            aim = Aim.from_dict(self.aim)
            if aim:
                aim.check()
        except (AimError, TypeError) as error:
            raise RecipeError(str(error)) from error
        return self

    def _check_search(self) -> None:
        if self.search not in SEARCHES:
            raise RecipeError(f"unknown search {self.search!r}; choose from {', '.join(SEARCHES)}")
        if self.search == PORTFOLIO and (self.estimator != AUTO or self.space):
            raise RecipeError(
                f"the search {PORTFOLIO!r} has its own settings: use it with the estimator {AUTO!r} and without a space, or "
                "choose another search"
            )

    def _check_values(self) -> None:
        if self.group is not None and self.time is not None:
            raise RecipeError("a run splits by groups or by time; give one of the two columns")
        if self.folds < 2:  # noqa: PLR2004
            raise RecipeError(f"folds is {self.folds}; cross-validation needs at least 2")
        if not 0 <= self.seed < 2**32:
            raise RecipeError(f"seed is {self.seed}; expected a whole number from 0 to 4294967295")
        if self.max_fits is not None and self.max_fits < self.folds:
            raise RecipeError(
                f"the budget is {self.max_fits} fits; expected at least {self.folds}, one per fold"
            )
        if self.max_minutes is not None and not (math.isfinite(self.max_minutes) and self.max_minutes > 0):
            raise RecipeError(f"the budget is {self.max_minutes} minutes; expected a number above 0")

    @property
    def spaces(self) -> dict[str, Space]:
        """The values to try of each parameter, by family."""
        given: Mapping[str, Any] = self.space or {}
        if self.estimator != AUTO:
            return {self.estimator: given or FAMILIES[self.estimator].space}
        unknown = sorted(set(given) - set(FAMILIES))
        if unknown or not all(isinstance(space, Mapping) for space in given.values()):
            message = (
                f"unknown family {unknown[0]!r}" if unknown else "the space of auto maps families to spaces"
            )
            raise RecipeError(f"{message}; choose from {', '.join(FAMILIES)}")
        return {family: given.get(family) or FAMILIES[family].space for family in families_of(AUTO)}

    @property
    def budget_minutes(self) -> float | None:
        """The budget of time in minutes; None for no limit."""
        return (
            PORTFOLIO_MINUTES if self.max_minutes is None and self.search == PORTFOLIO else self.max_minutes
        )

    @property
    def size(self) -> int:
        """The number of settings in the whole space."""
        if self.search == PORTFOLIO:
            return min(PORTFOLIO_SETTINGS, MAX_FITS // self.folds)
        return sum(math.prod(len(values) for values in space.values()) for space in self.spaces.values())

    @property
    def candidates(self) -> int:
        """The number of settings that the search tries within its budget of fits."""
        wanted = min(self.size, RANDOM_CANDIDATES) if self.search in {"random", "optuna"} else self.size
        if self.max_fits is None:
            return wanted
        most = self.max_fits // self.folds
        if self.search == "halving":
            return next(
                count for count in range(min(wanted, most), 0, -1) if _judged_in_rounds(count) <= most
            )
        return min(wanted, most)

    @property
    def fits(self) -> int:
        """The largest number of fits; halving does most of them on few rows, and Optuna stops poor settings early."""
        judged = _judged_in_rounds(self.candidates) if self.search == "halving" else self.candidates
        return judged * self.folds

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _judged_in_rounds(settings: int) -> int:
    """Return the number of evaluations of settings over all rounds of halving, each of which keeps the best third."""
    counts = [settings]
    while counts[-1] > HALVING_FACTOR:
        counts.append(math.ceil(counts[-1] / HALVING_FACTOR))
    return sum(counts)


def _check_space(family: str, space: Space) -> None:
    # imports scikit-learn, see `Recipe.check`
    from training.ml.search.estimators import build_model, check_parameter

    if not FAMILIES[family].is_installed:
        raise RecipeError(f"{FAMILIES[family].title} is not installed here; choose another estimator")
    known = FAMILIES[family].taken or build_model(family, 0).get_params()
    for name, values in space.items():
        if name not in known:
            raise RecipeError(f"{family} has no parameter {name!r}; it has {', '.join(sorted(known))}")
        if not isinstance(values, list | tuple) or not values:
            raise RecipeError(f"the space of {name!r} is {values!r}; expected a list of values to try")
        for value in values:
            try:
                check_parameter(family, name, value)
            except ValueError as error:
                raise RecipeError(f"{family} cannot take {name}={value!r}: {error}") from error


def needed_rows(folds: int) -> int:
    """Return the least number of rows of a class: one per fold, and one to hold out."""
    return folds + 1


def smallest_classes(counts: Mapping[str, int], needed: int) -> str:
    """Name the classes with fewer rows than needed, or return an empty text.

    Args:
        counts: rows by class.
    """
    few = [
        f'"{label}" ({count} {"row" if count == 1 else "rows"})'
        for label, count in counts.items()
        if count < needed
    ]
    return ", ".join(few[:5])
