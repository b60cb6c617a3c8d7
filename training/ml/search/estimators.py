"""Unfitted estimators and the preprocessor before them."""

import platform
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib.util import find_spec
from operator import attrgetter, methodcaller
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils import Bunch

from training.ml.search.families import CATBOOST, FAMILIES
from training.ml.tables.contract import MANY_LEVELS, SELECTED_WORDS, Contract, DateParts, Feature
from training.ml.tables.date_parts import PARTS
from training.ml.tables.times import ISO

# the name of the transformer of a date is this and its place among the dates
DATE = "date_"
# likewise for the parts of one date, and for a column of texts
JOINED = "joined_"
PROSE = "text_"
# limits of year, month, day and hour; those of month and day are just beyond what a date can have
PARTS_LIMITS = (0, 0, 0, 0), (9_999, 13, 32, 24)
# different hashes of words
HASHED_WORDS = 2**14
# units of pandas for the formats of dates that are numbers
UNITS_OF = {"epoch": "s", "epoch_ms": "ms"}
# parts of the training rows, each of which is encoded by the target in the other parts
CROSS_FITS = 5
MISSING_CATEGORY = "(missing)"
# categories of one column that boosting tells apart itself; scikit-learn's has no more bins
MOST_CODES = 250
# pandas writes whole numbers with ".0" if another value of the column is missing
WHOLE_NUMBER = re.compile(r"\A(-?\d+)\.0\Z")
# scaled features are clipped here, because trees compare in float32, whose largest number is 3.4e38
LARGEST_SCALED = 1e30


@cache
def can_accelerate() -> bool:
    """Return whether scikit-learn-intelex is installed; it exists only for x86-64."""
    return platform.machine() in {"x86_64", "AMD64"} and find_spec("sklearnex") is not None


def build_model(
    family: str, seed: int, *, class_weight: str | None = None, accelerate: bool = False
) -> ClassifierMixin:
    """Return an unfitted estimator of a family."""
    entry = FAMILIES[family]
    name = entry.accelerated if accelerate and entry.accelerated and can_accelerate() else entry.estimator
    weights = entry.balanced if class_weight else {}
    return resolve_name(name)(**entry.fixed, random_state=seed, **weights)


def set_threads(model: Any, family: str, count: int | None = None) -> None:
    """Set the threads for the fits of an estimator of a family, by itself or at the end of a pipeline; without, as built.

    Families whose fits take one thread are left alone, and a fitted CatBoost, which refuses other parameters.
    """
    estimator = model.named_steps["model"] if isinstance(model, Pipeline) else model
    name, built = FAMILIES[family].threads, FAMILIES[family].fixed
    if name and not (family == CATBOOST and estimator.is_fitted()):
        estimator.set_params(**{name: built.get(name) if count is None else count})


def check_parameter(family: str, name: str, value: Any) -> None:
    """Raise ValueError if an estimator of a family cannot take a value, which both libraries check only when fitting."""
    model = build_model(family, 0).set_params(**{name: value})
    if hasattr(model, "_parameter_constraints"):
        model._validate_params()
        return
    if name == "n_estimators":
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a whole number above 0")
    else:
        model.set_params(n_estimators=1)
    try:
        model.fit(np.arange(4.0).reshape(-1, 1), [0, 1, 0, 1])
    except Exception as error:
        raise ValueError(str(error)) from error


def told_categories(contract: Contract, family: str) -> dict[str, Any]:
    """Return the parameters that tell an estimator of a family which columns of the preprocessor hold categories."""
    numbers, categories = len(contract.numbers), len(contract.categories)
    if not FAMILIES[family].native or not categories:
        return {}
    return {FAMILIES[family].native: list(range(numbers, numbers + categories))}


def build_preprocessor(contract: Contract, seed: int = 0, *, native: bool = False) -> ColumnTransformer:
    """Return the unfitted preprocessor: imputation and scaling of numbers, imputation and one-hot of categories.

    If `native`, missing numbers stay missing, and a category becomes one column of codes, in which a missing value has a
    code of its own and an unknown value is missing. Everything else is the same.

    A text that is learned by its words becomes 200 numbers, the weights of the words that tell the classes apart best.
    A date becomes its year, month, weekday and, if dates have times, hour, and the days since the last date of training.
    A category of many values is encoded as the share of each class among the training rows of the value, drawn to
    the share among all rows if the value is rare. Training rows are encoded by the shares in other rows, so that a row does
    not see its own label.

    A column that has no values in a fold is kept, as zeros or as the category for missing. The preprocessor accepts
    frames prepared by the contract and also those of plain `pandas.read_csv`, in which a column of only missing values
    has floats and categories such as `1` are numbers.
    """
    many = contract.levels
    few = [name for name in contract.categories if name not in many]
    parts: list[tuple[str, Any, Any]] = (
        [
            ("numbers", Pipeline([("floats", _floats()), _limiter()]), contract.numbers),
            ("codes", _codes(contract), contract.categories),
        ]
        if native
        else [
            ("numbers", Pipeline(_scaled_numbers()), contract.numbers),
            ("categories", _columns_of_categories(contract), few),
        ]
    )
    if many:
        parts.append(("levels", _levels(contract, seed), many))
    parts += [
        (f"{DATE}{place}", _date(feature), [feature.name]) for place, feature in enumerate(contract.dates)
    ]
    parts += [
        (f"{JOINED}{place}", _joined_date(joined), list(joined.columns))
        for place, joined in enumerate(contract.date_parts)
    ]
    parts += [(f"{PROSE}{place}", _words(), name) for place, name in enumerate(contract.prose)]
    return ColumnTransformer(parts)


def _columns_of_categories(contract: Contract) -> Pipeline:
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=MANY_LEVELS, sparse_output=False
    )
    return Pipeline([*_imputed_texts(contract), ("encoder", encoder)])


def _codes(contract: Contract) -> Pipeline:
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=MOST_CODES
    )
    return Pipeline([*_imputed_texts(contract), ("encoder", encoder)])


def _floats() -> FunctionTransformer:
    return FunctionTransformer(np.asarray, kw_args={"dtype": np.float64}, feature_names_out="one-to-one")


def _scaled_numbers() -> list[tuple[str, Any]]:
    return [
        ("imputer", SimpleImputer(strategy="median", keep_empty_features=True)),
        ("scaler", StandardScaler()),
        _limiter(),
    ]


def _limiter() -> tuple[str, FunctionTransformer]:
    return (
        "limiter",
        FunctionTransformer(
            np.clip,
            kw_args={"a_min": -LARGEST_SCALED, "a_max": LARGEST_SCALED},
            feature_names_out="one-to-one",
        ),
    )


def date_parts(feature: Feature) -> list[str]:
    """Return the numbers that a date is learned from, apart from the days since the last date of training."""
    return [*("year", "month", "day_of_week"), *(["hour"] if feature.has_times else [])]


def _date(feature: Feature) -> Pipeline:
    """Return the steps for one date: its parts, and the days since the last date of training, as scaled numbers.

    They take times, and also texts in ISO 8601 or in the format of the training table.
    """
    date_format = feature.notation.date or ISO
    known = {"unit": UNITS_OF[date_format]} if date_format in UNITS_OF else {"format": date_format}
    return Pipeline(
        [
            ("times", FunctionTransformer(methodcaller("apply", pd.to_datetime, utc=True, **known))),
            ("parts", _parts_of_date(date_parts(feature), feature.last)),
            *_scaled_numbers(),
        ]
    )


def _parts_of_date(parts: Sequence[str], last: str) -> FeatureUnion:
    """Return the steps from one column of times to these parts and the days since the last date of training."""
    since = Pipeline(
        [
            ("since", FunctionTransformer(methodcaller("sub", pd.Timestamp(last, tz="UTC")))),
            ("days", FunctionTransformer(methodcaller("div", pd.Timedelta(days=1)))),
        ]
    )
    columns = [(part, FunctionTransformer(methodcaller("apply", attrgetter(f"dt.{part}")))) for part in parts]
    return FeatureUnion([*columns, ("days", since)])


def _joined_date(joined: DateParts) -> Pipeline:
    """Return the steps from the parts of a date to its weekday and the days since the last date of training.

    Parts that are no date, such as the 30th of February, count like a missing date.
    """
    count = len(joined.columns)
    steps = {
        "limited": methodcaller("clip", *(list(limits[:count]) for limits in PARTS_LIMITS), axis=1),
        "rounded": methodcaller("round"),
        "names": methodcaller("set_axis", list(PARTS[:count]), axis=1),
    }
    return Pipeline(
        [
            *((name, FunctionTransformer(step)) for name, step in steps.items()),
            ("times", FunctionTransformer(pd.to_datetime, kw_args={"errors": "coerce", "utc": True})),
            ("column", FunctionTransformer(methodcaller("to_frame"))),
            ("parts", _parts_of_date(["day_of_week"], joined.last)),
            *_scaled_numbers(),
        ]
    )


def _words() -> Pipeline:
    """Return the steps for one column of texts: the words that tell the classes apart best, weighted by TF-IDF.

    Words are hashed, so there is always a fixed number of them to choose from, however small or empty the texts are.
    """
    texts = {"objects": ("astype", object), "filled": ("fillna", ""), "strings": ("map", str)}
    return Pipeline(
        [
            *((name, FunctionTransformer(methodcaller(*call))) for name, call in texts.items()),
            ("words", HashingVectorizer(n_features=HASHED_WORDS, alternate_sign=False, norm=None)),
            ("weights", TfidfTransformer(sublinear_tf=True)),
            ("chosen", SelectKBest(chi2, k=SELECTED_WORDS)),
            ("dense", FunctionTransformer(methodcaller("toarray"))),
        ]
    )


def _levels(contract: Contract, seed: int) -> Pipeline:
    return Pipeline(
        [
            *_imputed_texts(contract),
            # folds without strata, because a class may have fewer rows than folds
            ("encoder", TargetEncoder(cv=KFold(CROSS_FITS, shuffle=True, random_state=seed))),
            ("scaler", StandardScaler()),
        ]
    )


def _imputed_texts(contract: Contract) -> list[tuple[str, Any]]:
    """Return steps that convert categories to the contract's texts, with a text for missing ones."""
    return [
        *(_texts() if _are_read_as_numbers(contract) else []),
        (
            "objects",
            FunctionTransformer(np.asarray, kw_args={"dtype": object}, feature_names_out="one-to-one"),
        ),
        (
            "imputer",
            # pandas.NA matches None and NaN as well
            SimpleImputer(
                missing_values=pd.NA,
                strategy="constant",
                fill_value=MISSING_CATEGORY,
                keep_empty_features=True,
            ),
        ),
    ]


def _are_read_as_numbers(contract: Contract) -> bool:
    """Return whether pandas may read a category as a number or a boolean, in the whole table or in some of its rows."""
    return any(_is_number(category) for feature in contract.features for category in feature.categories)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.lower() in {"true", "false"}
    return True


def _texts() -> list[tuple[str, FunctionTransformer]]:
    """Return steps that convert numbers and booleans to the contract's texts; missing values stay missing."""
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

    It consists only of classes of scikit-learn and of the family's library, so its artifact loads with these alone.
    The pipeline takes frames of shape (rows, features) with the contract's column names.
    """
    model = build_model(family, seed, class_weight=class_weight).set_params(
        **told_categories(contract, family)
    )
    native = bool(FAMILIES[family].native)
    return Pipeline([("preprocessor", build_preprocessor(contract, seed, native=native)), ("model", model)])


def fit_mix(
    contract: Contract,
    members: Sequence[Mapping[str, Any]],
    X: pd.DataFrame,
    y: NDArray[np.object_],
    seed: int,
    *,
    class_weight: str | None = None,
    threads: Callable[[str], int],
) -> Pipeline:
    """Return a fitted pipeline whose model is scikit-learn's `VotingClassifier` of some members.

    Rows are prepared once for all members. If some take categories as they are and others as columns of 0 and 1, the
    prepared rows hold both, and each member selects its columns.

    Args:
        members: `family`, `params` and `weight` of each.
        threads: of a family's forests and boosting.
    """
    kinds = sorted({bool(FAMILIES[member["family"]].native) for member in members}, reverse=True)
    preprocessors = [build_preprocessor(contract, seed, native=native) for native in kinds]
    prepared = [preprocessor.fit_transform(X, y) for preprocessor in preprocessors]
    ends = np.cumsum([part.shape[1] for part in prepared])
    columns = {
        native: slice(int(end) - part.shape[1], int(end))
        for native, part, end in zip(kinds, prepared, ends, strict=True)
    }
    named: list[tuple[str, Any]] = []
    for place, member in enumerate(members, start=1):
        family = member["family"]
        model = build_model(family, seed, class_weight=class_weight)
        model.set_params(**told_categories(contract, family), **member["params"])
        if len(kinds) > 1:
            selected = columns[bool(FAMILIES[family].native)]
            model = Pipeline(
                [("columns", ColumnTransformer([("kept", "passthrough", selected)])), ("model", model)]
            )
        named.append((f"{family}_{place}", model))
    voting = VotingClassifier(named, voting="soft", weights=[member["weight"] for member in members])
    for member, (_, model) in zip(members, named, strict=True):
        set_threads(model, member["family"], threads(member["family"]))
    voting.fit(np.hstack(prepared), y)
    for member, (_, model), fitted in zip(members, named, voting.estimators_, strict=True):
        set_threads(model, member["family"])
        set_threads(fitted, member["family"])
    names = {True: "native", False: "scaled"}
    union = [(names[native], fitted) for native, fitted in zip(kinds, preprocessors, strict=True)]
    preprocessor = FeatureUnion(union) if len(union) > 1 else preprocessors[0]
    return Pipeline([("preprocessor", preprocessor), ("model", voting)])


def part_of_mix(pipeline: Pipeline, weights: Mapping[int, float]) -> Pipeline:
    """Return a fitted mix of some members of another one, by their places in it, without fitting any again."""
    voting, preprocessor = pipeline.named_steps["model"], pipeline.named_steps["preprocessor"]
    members = [(*voting.estimators[place], voting.estimators_[place]) for place in weights]
    if isinstance(preprocessor, FeatureUnion):
        starts = {fitted.named_steps["columns"].transformers_[0][2].start for _, _, fitted in members}
        if len(starts) == 1:
            # all take the same columns, so that nobody has to select them
            preprocessor = preprocessor.transformer_list[0 if starts == {0} else 1][1]
            members = [
                (name, model.named_steps["model"], fitted.named_steps["model"])
                for name, model, fitted in members
            ]
    part = VotingClassifier(
        [(name, model) for name, model, _ in members], voting="soft", weights=list(weights.values())
    )
    part.estimators_ = [fitted for _, _, fitted in members]
    part.named_estimators_ = Bunch(**{name: fitted for name, _, fitted in members})
    part.le_, part.classes_ = voting.le_, voting.classes_
    return Pipeline([("preprocessor", preprocessor), ("model", part)])
