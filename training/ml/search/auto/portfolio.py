"""The settings that the search `portfolio` begins with, and the ranges around them that it searches after that.

The order was chosen over many public tables, see `tests.bench.portfolio`: the first few settings together do about as well
as any on most tables, so the search can end after any of them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.ml.search.families import BOOSTING, CATBOOST, FAMILIES, PLAIN_BOOSTING

if TYPE_CHECKING:
    import optuna

# trees of a fit, and leaves and depth of a tree, to which the work of a setting is compared
USUAL_TREES, USUAL_LEAVES, USUAL_DEPTH = 150, 31, 5
DIGITS = 3  # of the numbers that a search chooses
# parameters of LightGBM by their names in scikit-learn's boosting; the others have no counterpart
PLAIN_NAMES = {
    "learning_rate": "learning_rate",
    "n_estimators": "max_iter",
    "num_leaves": "max_leaf_nodes",
    "min_child_samples": "min_samples_leaf",
    "reg_lambda": "l2_regularization",
    "colsample_bytree": "max_features",
}


@dataclass(frozen=True)
class Setting:
    """A family and its parameters."""

    family: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Range:
    """The values of a parameter between two limits, on a logarithmic scale unless `linear`."""

    low: float
    high: float
    linear: bool = False

    def suggest(self, trial: "optuna.Trial", name: str) -> float:
        """Let a trial of Optuna choose a value with few digits; limits that are whole numbers give whole numbers."""
        if isinstance(self.low, int):
            whole: int = trial.suggest_int(name, self.low, int(self.high), log=not self.linear)
            return whole
        return float(f"{trial.suggest_float(name, self.low, self.high, log=not self.linear):.{DIGITS}g}")


_SLOW = {"learning_rate": 0.03, "colsample_bytree": 0.4}
_TREES = {"n_estimators": 200}
PORTFOLIO = (
    Setting(BOOSTING, {**_SLOW, "num_leaves": 8, "n_estimators": 400, "reg_lambda": 10.0}),
    Setting("logistic_regression", {"C": 0.1}),
    Setting("extra_trees", {**_TREES, "min_samples_leaf": 3, "max_features": 0.6}),
    # for tables of more rows than those on which the others were chosen
    Setting(
        BOOSTING, {"learning_rate": 0.05, "num_leaves": 31, "n_estimators": 300, "colsample_bytree": 0.6}
    ),
    # where CatBoost is installed; not chosen over tables
    Setting(CATBOOST, {"learning_rate": 0.05, "depth": 6, "n_estimators": 300}),
    Setting("random_forest", {**_TREES, "min_samples_leaf": 10}),
    Setting(BOOSTING, {**_SLOW, "num_leaves": 4, "n_estimators": 200}),
    Setting("random_forest", {**_TREES}),
    Setting("random_forest", {**_TREES, "min_samples_leaf": 4}),
    Setting("extra_trees", {**_TREES, "min_samples_leaf": 10, "max_features": 0.6}),
    Setting("logistic_regression", {"C": 0.01}),
    Setting("logistic_regression", {"C": 10.0}),
)
RANGES: dict[str, dict[str, Range]] = {
    BOOSTING: {
        "learning_rate": Range(0.01, 0.2),
        "n_estimators": Range(50, 800),
        "num_leaves": Range(2, 128),
        "min_child_samples": Range(2, 100),
        "colsample_bytree": Range(0.3, 1.0, linear=True),
        "reg_lambda": Range(1e-3, 30.0),
    },
    CATBOOST: {
        "learning_rate": Range(0.02, 0.2),
        "n_estimators": Range(50, 600),
        "depth": Range(2, 8, linear=True),
        "l2_leaf_reg": Range(0.5, 30.0),
    },
    "random_forest": {"min_samples_leaf": Range(1, 30), "max_features": Range(0.1, 1.0, linear=True)},
    "extra_trees": {"min_samples_leaf": Range(1, 30), "max_features": Range(0.1, 1.0, linear=True)},
    "logistic_regression": {"C": Range(0.01, 100.0)},
}
RANGES[PLAIN_BOOSTING] = {
    PLAIN_NAMES[name]: values for name, values in RANGES[BOOSTING].items() if name in PLAIN_NAMES
}
# the libraries' own values of parameters with ranges
DEFAULTS: dict[str, dict[str, Any]] = {
    BOOSTING: {"n_estimators": 100, "min_child_samples": 20, "colsample_bytree": 1.0, "reg_lambda": 0.0},
    CATBOOST: {"l2_leaf_reg": 3.0},
    PLAIN_BOOSTING: {"max_iter": 100, "min_samples_leaf": 20, "max_features": 1.0, "l2_regularization": 0.0},
    "random_forest": {"min_samples_leaf": 1, "max_features": 0.3},
    "extra_trees": {"min_samples_leaf": 1, "max_features": 0.3},
}
# parameters that a search leaves as they are
FIXED: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 200},
    "extra_trees": {"n_estimators": 200},
}


def settings() -> list[Setting]:
    """Return the portfolio in its order, of installed families; without LightGBM, scikit-learn's boosting has its settings."""
    has_boosting = FAMILIES[BOOSTING].is_installed
    known = [
        setting if setting.family != BOOSTING or has_boosting else _plain(setting) for setting in PORTFOLIO
    ]
    return [setting for setting in known if FAMILIES[setting.family].is_installed]


def _plain(setting: Setting) -> Setting:
    params = {PLAIN_NAMES[name]: value for name, value in setting.params.items() if name in PLAIN_NAMES}
    return Setting(PLAIN_BOOSTING, params)


def draw(trial: "optuna.Trial", family: str) -> Setting:
    """Let a trial of Optuna choose the parameters of a family."""
    ranges = RANGES[family].items()
    chosen = {name: values.suggest(trial, f"{family}.{name}") for name, values in ranges}
    return Setting(family, {**FIXED.get(family, {}), **chosen})


def in_ranges(setting: Setting) -> dict[str, float]:
    """Return the parameters of a setting for Optuna, within the ranges; those that it leaves out have their defaults."""
    params = {**DEFAULTS.get(setting.family, {}), **setting.params}
    return {
        f"{setting.family}.{name}": min(max(params[name], values.low), values.high)
        for name, values in RANGES[setting.family].items()
    }


def relative_work(setting: Setting, features: int) -> float:
    """Return how much longer a fit takes than one of 150 trees with the defaults of the family, roughly."""
    params = {"n_estimators": 100, "max_iter": 100, **setting.params}
    family = FAMILIES[setting.family]
    if family.nests:
        usual = 1 / math.sqrt(features)
        share = params.get("max_features", usual)
        return float(params["n_estimators"] / USUAL_TREES * (0.3 + 0.7 * share / usual))
    if setting.family == CATBOOST:
        return float(
            params["n_estimators"] / USUAL_TREES * (0.4 + 0.6 * 2 ** (params["depth"] - USUAL_DEPTH))
        )
    if family.native:
        trees = params["n_estimators" if setting.family == BOOSTING else "max_iter"]
        leaves = params.get("num_leaves", params.get("max_leaf_nodes", USUAL_LEAVES))
        return float(trees / USUAL_TREES * (0.4 + 0.6 * leaves / USUAL_LEAVES))
    return 1.0
