"""Unfitted estimators and the preprocessor before them."""

import platform
import re
from functools import cache, partial
from importlib.util import find_spec
from operator import methodcaller
from pkgutil import resolve_name

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from training.ml.search.families import FAMILIES
from training.ml.tables.contract import Contract

# a column with more categories than this keeps the most frequent ones and learns the rest as one
MAX_CATEGORIES = 50
MISSING_CATEGORY = "(missing)"
# how pandas writes a whole number of a column in which another is missing
WHOLE_NUMBER = re.compile(r"\A(-?\d+)\.0\Z")
# trees compare in float32, which ends at 3.4e38
LARGEST_SCALED = 1e30


@cache
def can_accelerate() -> bool:
    """Whether scikit-learn-intelex is there; it is made for x86-64 alone."""
    return platform.machine() in {"x86_64", "AMD64"} and find_spec("sklearnex") is not None


def build_model(
    family: str, seed: int, *, class_weight: str | None = None, accelerate: bool = False
) -> ClassifierMixin:
    """Return an unfitted estimator of a family."""
    entry = FAMILIES[family]
    name = entry.accelerated if accelerate and entry.accelerated and can_accelerate() else entry.estimator
    return resolve_name(name)(**entry.fixed, random_state=seed, class_weight=class_weight)


def build_preprocessor(contract: Contract) -> ColumnTransformer:
    """Return the unfitted preprocessor: imputation and scaling of numbers, imputation and one-hot of categories.

    A column without any value in a fold is kept, as zeros or as the category for missing. A frame straight from
    `pandas.read_csv` is taken as well as one that the contract prepared: columns of missing values alone, which are
    floats then, and categories such as `1` that became numbers.
    """
    numbers = Pipeline(
        [
            ("imputer", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scaler", StandardScaler()),
            (
                "limiter",
                FunctionTransformer(
                    np.clip,
                    kw_args={"a_min": -LARGEST_SCALED, "a_max": LARGEST_SCALED},
                    feature_names_out="one-to-one",
                ),
            ),
        ]
    )
    categories = Pipeline(
        [
            *(_texts() if _are_read_as_numbers(contract) else []),
            (
                "objects",
                FunctionTransformer(np.asarray, kw_args={"dtype": object}, feature_names_out="one-to-one"),
            ),
            (
                "imputer",
                # NA stands for None and NaN too
                SimpleImputer(
                    missing_values=pd.NA,
                    strategy="constant",
                    fill_value=MISSING_CATEGORY,
                    keep_empty_features=True,
                ),
            ),
            (
                "encoder",
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=False
                ),
            ),
        ]
    )
    return ColumnTransformer(
        [("numbers", numbers, contract.numbers), ("categories", categories, contract.categories)]
    )


def _are_read_as_numbers(contract: Contract) -> bool:
    """Whether pandas may take a category for a number or a boolean, in the whole table or in some rows of it."""
    return any(_is_number(category) for feature in contract.features for category in feature.categories)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.lower() in {"true", "false"}
    return True


def _texts() -> list[tuple[str, FunctionTransformer]]:
    """Steps that turn numbers and booleans into the texts that the contract has for them; missing values stay."""
    functions = {"texts": str, "whole_numbers": partial(WHOLE_NUMBER.sub, r"\1")}
    return [
        (
            name,
            FunctionTransformer(
                methodcaller("map", function, na_action="ignore"), feature_names_out="one-to-one"
            ),
        )
        for name, function in functions.items()
    ]


def build_pipeline(
    contract: Contract, family: str, seed: int, *, class_weight: str | None = None
) -> Pipeline:
    """Return an unfitted pipeline of two steps, `preprocessor` and `model`.

    It holds scikit-learn's own classes only, so that its artifact loads wherever scikit-learn does,
    and takes a frame of shape (rows, features) with the contract's column names.
    """
    model = build_model(family, seed, class_weight=class_weight)
    return Pipeline([("preprocessor", build_preprocessor(contract)), ("model", model)])
