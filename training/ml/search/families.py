"""The catalogue of estimator families: to add one, add an entry to FAMILIES.

Estimators are imported only when one is built, because forms and commands list the families without scikit-learn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Any

AUTO = "auto"
# the family of a weighted mean of others
MIX = "mix"
# LightGBM, and what takes its place where it is not installed
BOOSTING, PLAIN_BOOSTING = "lightgbm", "hist_gradient_boosting"
# tried where it is installed, which no list of requirements asks for
CATBOOST = "catboost"


@dataclass(frozen=True)
class Family:
    """One family of estimators: the class that is built, and the values that a search tries by default.

    `fixed` holds the parameters that all estimators of the family share. `accelerated` names scikit-learn-intelex's class
    with the same parameters. It is used only in searches: its forests load only where it is installed, so the winner is
    always fitted by scikit-learn itself. `nests` is true if a forest of fewer and shallower trees is a part of a larger
    one, see `nested_forests`. `native` is the name of the parameter that takes the columns of categories, for boosting that
    splits categories and missing values itself; the others get categories as columns of 0 and 1 and no missing values.
    `threads` is the name of the parameter for the threads of a fit, if it takes several. `balanced` is the parameter that
    gives every class the same weight. `taken` are the parameters that a space may have, if not all of the estimator are
    harmless and compiled. `extra` is the name of a package that a site has only if somebody installed it.
    """

    title: str
    estimator: str
    space: Mapping[str, Sequence[Any]]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    accelerated: str | None = None
    nests: bool = False
    native: str = ""
    threads: str = ""
    balanced: Mapping[str, str] = field(default_factory=lambda: {"class_weight": "balanced"})
    taken: Sequence[str] = ()
    extra: str = ""

    @property
    def is_offered(self) -> bool:
        """Whether a form offers the family, which must not wait for an import."""
        return not self.extra or find_spec(self.extra) is not None

    @cached_property
    def is_installed(self) -> bool:
        """Whether the estimator can be imported here."""
        try:
            resolve_name(self.estimator)
        except (
            ImportError,
            OSError,
        ):  # OSError: a shared library of the machine, such as OpenMP's, is missing
            return False
        return True


_FOREST_SPACE: dict[str, Sequence[Any]] = {
    "n_estimators": [100, 200],
    "max_depth": [8, 16, None],
    "min_samples_leaf": [1, 4],
}

FAMILIES: dict[str, Family] = {
    "random_forest": Family(
        "Random forest",
        "sklearn.ensemble.RandomForestClassifier",
        _FOREST_SPACE,
        accelerated="sklearnex.ensemble.RandomForestClassifier",
        nests=True,
        threads="n_jobs",
    ),
    "extra_trees": Family(
        "Extra trees",
        "sklearn.ensemble.ExtraTreesClassifier",
        _FOREST_SPACE,
        accelerated="sklearnex.ensemble.ExtraTreesClassifier",
        nests=True,
        threads="n_jobs",
    ),
    PLAIN_BOOSTING: Family(
        "Histogram gradient boosting",
        "sklearn.ensemble.HistGradientBoostingClassifier",
        {"learning_rate": [0.03, 0.1, 0.3], "max_leaf_nodes": [15, 31], "max_iter": [100, 200]},
        native="categorical_features",
    ),
    BOOSTING: Family(
        "LightGBM",
        "lightgbm.LGBMClassifier",
        {"learning_rate": [0.03, 0.1], "num_leaves": [8, 31], "n_estimators": [100, 200]},
        # one thread, as searches fit side by side; the same rows give the same trees with any number of threads
        fixed={"n_jobs": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True},
        native="categorical_column",
        threads="n_jobs",
    ),
    CATBOOST: Family(
        "CatBoost",
        "catboost.CatBoostClassifier",
        {"learning_rate": [0.03, 0.1], "depth": [4, 6], "n_estimators": [100, 200]},
        # one thread, as for LightGBM
        fixed={"thread_count": 1, "verbose": False, "allow_writing_files": False},
        threads="thread_count",
        balanced={"auto_class_weights": "Balanced"},
        taken=(
            "learning_rate",
            "depth",
            "n_estimators",
            "l2_leaf_reg",
            "random_strength",
            "bagging_temperature",
            "rsm",
            "border_count",
        ),
        extra="catboost",
    ),
    "logistic_regression": Family(
        "Logistic regression",
        "sklearn.linear_model.LogisticRegression",
        {"C": [0.01, 0.1, 1.0, 10.0, 100.0]},
        fixed={"max_iter": 2_000},
    ),
}


def families_of(estimator: str) -> list[str]:
    """Return the families of an estimator's name: the one of that name, or all that are installed for `auto`."""
    if estimator != AUTO:
        return [estimator]
    return [name for name, family in FAMILIES.items() if family.is_installed]
