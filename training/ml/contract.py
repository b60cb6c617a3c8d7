"""The contract: which inputs a classifier accepts, inferred once from a table and checked on every row after.

Records go in as plain mappings of JSON values, frames come out as the pipeline expects them:
numbers, integers and booleans as float64 (missing is NaN), categories as text (missing is NaN).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

MAX_CLASSES = 100
MAX_TEXT = 1_000
MAX_QUOTE = 60
# a number beyond it overflows in the squares and single-precision floats of estimators
LARGEST = 1e30
# up to here every whole number is a float
EXACT = 2**53
# from this share of different texts on, a column names its rows instead of describing them
IDENTIFIER_SHARE = 0.9
# above this share and this many values a text column is prose: one-hot encoding it learns single rows by heart
FREE_TEXT_SHARE = 0.5
FREE_TEXT_VALUES = 50
MIN_ROWS_FOR_IDENTIFIER = 20


class ContractError(ValueError):
    """The table cannot become a classifier; the message says what was found, expected and to do."""


class Kind(StrEnum):
    """What a feature's values are."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CATEGORY = "category"

    @property
    def article(self) -> str:
        """The kind in a sentence: "a number", "an integer"."""
        return f"an {self.value}" if self is Kind.INTEGER else f"a {self.value}"


# of values that need no second look
_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.NUMBER: (float, int),
    Kind.INTEGER: (int,),
    Kind.BOOLEAN: (bool,),
    Kind.CATEGORY: (str,),
}


@dataclass(frozen=True)
class Issue:
    """One remark on one feature of one record: an error, or a warning that comes with the answer."""

    feature: str
    code: str
    message: str


@dataclass(frozen=True)
class Feature:
    """One input: its kind, the values seen in training, and the value a form starts from."""

    name: str
    kind: Kind
    missing: bool
    default: float | int | bool | str
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def check(self, value: Any) -> tuple[Issue | None, Issue | None]:
        """Return (error, warning) for one JSON value; at most one of the two is set."""
        if value is None:
            if self.missing:
                return None, None
            return self._issue(
                "null_not_allowed", f"{self.name} had no missing values in training; send {self.kind.article}"
            ), None
        if self.kind is Kind.CATEGORY:
            return self._check_category(value)
        if self.kind is Kind.BOOLEAN:
            if isinstance(value, bool):
                return None, None
            return self._issue("not_a_boolean", f"expected true or false, got {_quote(value)}"), None
        return self._check_number(value)

    def _check_number(self, value: Any) -> tuple[Issue | None, Issue | None]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._issue("not_a_number", f"expected a number, got {_quote(value)}"), None
        if not _is_finite(value):
            return self._issue(
                "not_finite", "expected a finite number, got one too large or not a number"
            ), None
        if abs(value) > LARGEST:
            return self._issue(
                "too_large", f"expected a number from -{LARGEST:g} to {LARGEST:g}, got {_quote(value)}"
            ), None
        if self.kind is Kind.INTEGER and value != int(value):
            return self._issue("not_an_integer", f"expected a whole number, got {_quote(value)}"), None
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            seen = f"training saw {self.low:g} to {self.high:g}"
            return None, self._issue("out_of_range", f"{_quote(value)} is outside the training range: {seen}")
        return None, None

    def _check_category(self, value: Any) -> tuple[Issue | None, Issue | None]:
        if not isinstance(value, str):
            return self._issue("not_text", f"expected a text, got {_quote(value)}"), None
        if value in self.categories:
            return None, None
        if len(value) > MAX_TEXT:
            return self._issue(
                "too_long", f"expected at most {MAX_TEXT:,} characters, got {len(value):,}"
            ), None
        if "\x00" in value or not _is_unicode(value):
            return self._issue(
                "invalid_text", "the text holds a NUL or half a surrogate pair, which no database can keep"
            ), None
        known = ", ".join(self.categories[:8]) + (", ..." if len(self.categories) > 8 else "")  # noqa: PLR2004
        return None, self._issue(
            "unknown_category", f"{_quote(value)} was never seen in training; known: {known}"
        )

    def _issue(self, code: str, message: str) -> Issue:
        return Issue(self.name, code, message)


@dataclass(frozen=True)
class Contract:
    """The features in column order, the classes in sorted order, and what was left out and why.

    In a binary problem the last class is the positive one, as in scikit-learn.
    """

    target: str
    features: tuple[Feature, ...]
    classes: tuple[str, ...]
    left_out: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        return [feature.name for feature in self.features]

    @property
    def categories(self) -> list[str]:
        return [feature.name for feature in self.features if feature.kind is Kind.CATEGORY]

    @property
    def numbers(self) -> list[str]:
        return [feature.name for feature in self.features if feature.kind is not Kind.CATEGORY]

    @property
    def positive(self) -> str | None:
        """The class that precision, recall and the threshold speak of; None with more than two classes."""
        return self.classes[1] if len(self.classes) == 2 else None  # noqa: PLR2004

    @property
    def example(self) -> dict[str, Any]:
        """A record that the contract accepts: every feature at its default."""
        return {feature.name: feature.default for feature in self.features}

    def check(self, record: Mapping[str, Any]) -> tuple[list[Issue], list[Issue]]:
        """Judge one record of JSON values.

        Returns:
            (errors, warnings): a record with errors must not be scored; warnings go with the answer.
        """
        if self._is_plain(record):
            return [], []
        errors: list[Issue] = []
        warnings: list[Issue] = []
        for feature in self.features:
            if feature.name not in record:
                errors.append(
                    Issue(
                        feature.name,
                        "missing",
                        f"the feature {feature.name} is missing; send {feature.kind.article}",
                    )
                )
                continue
            error, warning = feature.check(record[feature.name])
            if error:
                errors.append(error)
            elif warning:
                warnings.append(warning)
        if len(record) != len(self.features) or errors:
            known = set(self.names)
            errors += [
                Issue(name[:MAX_TEXT], "unknown_feature", f"{_quote(name)} is not a feature of this model")
                for name in record
                if name not in known
            ]
        return errors, warnings

    def _is_plain(self, record: Mapping[str, Any]) -> bool:
        """Whether every feature is there with a value of its kind that training saw, told at the least cost."""
        if len(record) != len(self.features):
            return False
        for name, types, low, high, known in self._plain:
            value: Any = record.get(name)
            if type(value) not in types or not (value in known if known else low <= value <= high):
                return False
        return True

    @cached_property
    def _plain(self) -> list[tuple[str, tuple[type, ...], float, float, frozenset[Any]]]:
        """Per feature its name, the types of its values, their range or else the known ones."""
        return [
            (
                feature.name,
                _TYPES[feature.kind],
                math.inf if feature.low is None else feature.low,
                -math.inf if feature.high is None else feature.high,
                frozenset((True, False) if feature.kind is Kind.BOOLEAN else feature.categories),
            )
            for feature in self.features
        ]

    def frame(self, records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """Turn checked records into the frame that the pipeline takes, shape (records, features)."""
        columns: dict[str, Any] = {}
        for feature in self.features:
            values = [record[feature.name] for record in records]
            if feature.kind is Kind.CATEGORY:
                columns[feature.name] = np.array(
                    [np.nan if value is None else value for value in values], dtype=object
                )
            else:
                columns[feature.name] = np.array(
                    [np.nan if value is None else value for value in values], dtype=np.float64
                )
        return pd.DataFrame(columns)

    def prepare(self, table: pd.DataFrame) -> pd.DataFrame:
        """Select and type the features of a table as read from CSV, shape (rows, features)."""
        columns: dict[str, Any] = {}
        for feature in self.features:
            column = table[feature.name]
            if feature.kind is Kind.CATEGORY:
                columns[feature.name] = column.astype(object).where(column.notna(), np.nan)
            else:
                columns[feature.name] = column.astype(np.float64)
        return pd.DataFrame(columns, index=table.index)

    def to_dict(self) -> dict[str, Any]:
        """Return the contract as JSON values."""
        return {
            "target": self.target,
            "classes": list(self.classes),
            "features": [
                {
                    key: list(value) if isinstance(value, tuple) else value
                    for key, value in asdict(feature).items()
                }
                for feature in self.features
            ],
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        features = tuple(
            Feature(**{**feature, "kind": Kind(feature["kind"]), "categories": tuple(feature["categories"])})
            for feature in data["features"]
        )
        return cls(data["target"], features, tuple(data["classes"]), dict(data["left_out"]))


def infer(table: pd.DataFrame, target: str) -> Contract:
    """Read a contract off a table.

    Args:
        table: as read from CSV, shape (rows, columns), with the target among its columns.
        target: the label column.

    Raises:
        ContractError: no such column, fewer than two or more than 100 classes, or no usable feature.
    """
    if target not in table.columns:
        columns = ", ".join(map(str, table.columns[:20]))
        raise ContractError(f"there is no column {_quote(target)} to predict; the table has: {columns}")
    labelled = table[table[target].notna()]
    classes = _classes(labelled[target], target)
    features: list[Feature] = []
    left_out: dict[str, str] = {}
    for name in table.columns:
        if name == target:
            continue
        reason = _reason_to_leave_out(labelled[name])
        if reason:
            left_out[str(name)] = reason
        else:
            features.append(_feature(str(name), labelled[name]))
    if not features:
        reasons = (
            "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
            or "the target is the only column"
        )
        raise ContractError(f"no column is left to learn from ({reasons}); add at least one feature")
    return Contract(target, tuple(features), classes, left_out)


def labels(column: pd.Series) -> pd.Series:
    """Class labels as text; whole numbers that pandas made floats for a missing one beside them read `1`, not `1.0`."""
    if pd.api.types.is_float_dtype(column) and (column % 1 == 0).all() and (column.abs() < EXACT).all():
        return column.astype(np.int64).astype(str)
    return column.astype(str)


def _classes(column: pd.Series, target: str) -> tuple[str, ...]:
    if column.empty:
        raise ContractError(
            f"the column {_quote(target)} is empty; it needs a label in every row to learn from"
        )
    classes = sorted(labels(column).unique())
    if len(classes) == 1:
        raise ContractError(
            f"the column {_quote(target)} has one class only ({_quote(classes[0])}); it needs at least two"
        )
    if len(classes) > MAX_CLASSES:
        raise ContractError(
            f"the column {_quote(target)} has {len(classes):,} different values; a classifier tells at most "
            f"{MAX_CLASSES} classes apart. Is it a number to estimate, or an identifier?"
        )
    longest = max(map(len, classes))
    if longest > MAX_TEXT:
        raise ContractError(
            f"a label in {_quote(target)} has {longest:,} characters; at most {MAX_TEXT:,} are taken"
        )
    return tuple(classes)


def _reason_to_leave_out(column: pd.Series) -> str | None:
    values = column.dropna()
    if values.empty:
        return "every value is missing"
    distinct = values.nunique()
    if distinct == 1:
        return f"every value is the same ({_quote(values.iloc[0])})"
    if pd.api.types.is_integer_dtype(column):
        steps = np.diff(np.sort(values.to_numpy()))
        if len(values) >= MIN_ROWS_FOR_IDENTIFIER and bool((steps == 1).all()):
            return (
                f"identifier-like: {distinct:,} whole numbers in a row, one for each of {len(values):,} rows"
            )
        return None
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return None
    share = distinct / len(values)
    if len(values) >= MIN_ROWS_FOR_IDENTIFIER and share >= IDENTIFIER_SHARE:
        return f"identifier-like: {distinct:,} different texts in {len(values):,} rows"
    if distinct > FREE_TEXT_VALUES and share >= FREE_TEXT_SHARE:
        return f"free text: {distinct:,} different texts in {len(values):,} rows"
    return None


def _feature(name: str, column: pd.Series) -> Feature:
    values = column.dropna()
    missing = bool(column.isna().any())
    if pd.api.types.is_bool_dtype(values) or all(isinstance(value, bool) for value in values):
        return Feature(name, Kind.BOOLEAN, missing, bool(values.mode().iloc[0]))
    if pd.api.types.is_integer_dtype(column):
        return Feature(
            name,
            Kind.INTEGER,
            missing,
            round(float(values.median())),
            (),
            int(values.min()),
            int(values.max()),
        )
    if pd.api.types.is_numeric_dtype(column):
        low, high = float(values.min()), float(values.max())
        return Feature(name, Kind.NUMBER, missing, float(values.median()), (), low, high)
    counts = values.astype(str).value_counts()
    most = sorted(counts[counts == counts.max()].index)[0]
    return Feature(name, Kind.CATEGORY, missing, most, tuple(sorted(counts.index)))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond any float
        return False


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _quote(value: Any) -> str:
    """The value as JSON would show it, cut to a readable length."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        text = "an integer of thousands of digits"
    return text if len(text) <= MAX_QUOTE else f"{text[:MAX_QUOTE]}..."
