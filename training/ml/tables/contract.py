"""The contract: which inputs a classifier accepts, checked on every row.

Records go in as plain mappings of JSON values, frames come out as the pipeline expects them:
numbers, integers and booleans as float64 (missing is NaN), categories as text (missing is NaN). What makes frames imports
pandas itself: every process of the site reads contracts, and few of them ever hold a frame.
"""

import difflib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import pandas as pd

from training.ml.tables.digits import EXACT, apart
from training.ml.tables.labels import value_of

MAX_CLASSES = 100
MAX_TEXT = 1_000
MAX_QUOTE = 60
# characters of a value that a dataset's profile keeps
LONGEST_VALUE = 100
# names that are no features: so many are told, and so many of them compared with those that are
MOST_UNKNOWN = 100
MOST_COMPARED = 5
# how alike two names are, from 0 to 1, of which one may have been meant for the other
LEAST_ALIKE = 0.7
_JSON = json.JSONEncoder(ensure_ascii=False, default=str)
# a number beyond it overflows in the squares and single-precision floats of estimators
LARGEST = 1e30


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
class FeatureProblem:
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

    def check(self, value: Any) -> tuple[FeatureProblem | None, FeatureProblem | None]:
        """Return (error, warning) for one JSON value; at most one of the two is set."""
        if value is None:
            if self.missing:
                return None, None
            return self._problem(
                "null_not_allowed", f"{self.name} had no missing values in training; send {self.kind.article}"
            ), None
        if self.kind is Kind.CATEGORY:
            return self._check_category(value)
        if self.kind is Kind.BOOLEAN:
            if isinstance(value, bool):
                return None, None
            return self._problem("not_a_boolean", f"expected true or false, got {quote(value)}"), None
        return self._check_number(value)

    def _check_number(self, value: Any) -> tuple[FeatureProblem | None, FeatureProblem | None]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._problem("not_a_number", f"expected a number, got {quote(value)}"), None
        if not _is_finite(value):
            return self._problem(
                "not_finite", "expected a finite number, got one too large or not a number"
            ), None
        if abs(value) > LARGEST:
            return self._problem(
                "too_large", f"expected a number from -{LARGEST:g} to {LARGEST:g}, got {quote(value)}"
            ), None
        if self.kind is Kind.INTEGER and value != int(value):
            return self._problem("not_an_integer", f"expected a whole number, got {quote(value)}"), None
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            given, low, high = apart(value, self.low, self.high)
            message = f"{given} is outside the training range: training saw {low} to {high}"
            return None, self._problem("out_of_range", message)
        return None, None

    def _check_category(self, value: Any) -> tuple[FeatureProblem | None, FeatureProblem | None]:
        if not isinstance(value, str):
            return self._problem("not_text", f"expected a text, got {quote(value)}"), None
        if value in self.categories:
            return None, None
        if len(value) > MAX_TEXT:
            return self._problem(
                "too_long", f"expected at most {MAX_TEXT:,} characters, got {len(value):,}"
            ), None
        if "\x00" in value or not _is_unicode(value):
            return self._problem(
                "invalid_text",
                "the text contains a NUL character or half of a surrogate pair, which cannot be stored",
            ), None
        known = ", ".join(self.categories[:8]) + (", ..." if len(self.categories) > 8 else "")  # noqa: PLR2004
        return None, self._problem(
            "unknown_category", f"{quote(value)} is not in the training data; known values: {known}"
        )

    def _problem(self, code: str, message: str) -> FeatureProblem:
        return FeatureProblem(self.name, code, message)


@dataclass(frozen=True)
class Contract:
    """The features in column order, the classes, and what was left out and why.

    Where `strict`, serving refuses the values that `check` only warns of.

    Attributes:
        classes: named as the table spells them, in the order of `labels.in_order`.
        positive: the class that precision, recall and the threshold speak of; None with more than two classes.
        merged: other spellings in the table that were taken for a class.
    """

    target: str
    features: tuple[Feature, ...]
    classes: tuple[str, ...]
    left_out: Mapping[str, str]
    strict: bool = False
    positive: str | None = None
    merged: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [feature.name for feature in self.features]

    @property
    def categories(self) -> list[str]:
        return [feature.name for feature in self.features if feature.kind is Kind.CATEGORY]

    @property
    def numbers(self) -> list[str]:
        return [feature.name for feature in self.features if feature.kind is not Kind.CATEGORY]

    @cached_property
    def texts(self) -> Mapping[str, frozenset[str]]:
        """The categories that training saw, by feature."""
        return {
            feature.name: frozenset(feature.categories)
            for feature in self.features
            if feature.kind is Kind.CATEGORY
        }

    @property
    def negative(self) -> str | None:
        """The other of two classes."""
        return (
            next((label for label in self.classes if label != self.positive), None) if self.positive else None
        )

    def with_positive(self, label: str) -> Self:
        """Return the contract with another positive class.

        Raises:
            ContractError: more than two classes, or no such class.
        """
        if self.positive is None:
            raise ContractError(
                f"a positive class requires two classes; the column {quote(self.target)} has "
                f"{len(self.classes)}"
            )
        chosen = self.label_of(label)
        if chosen is None:
            raise ContractError(
                f"the positive class cannot be {quote(label)}; choose from {', '.join(map(quote, self.classes))}"
            )
        return replace(self, positive=chosen)

    def label_of(self, text: str) -> str | None:
        """The class that a label in a table or in feedback stands for; None where there is none.

        A class by its name, a spelling that was merged into one, or another way to write the number or the truth value
        of one class alone: `1.0` for `1`, `true` for `TRUE`. Texts have no other way.
        """
        if text in self.classes:
            return text
        return self.merged.get(text) or self._by_value.get(value_of(text))

    @cached_property
    def _by_value(self) -> dict[str, str]:
        by_value: dict[str, list[str]] = {}
        for label in self.classes:
            by_value.setdefault(value_of(label), []).append(label)
        return {value: names[0] for value, names in by_value.items() if len(names) == 1}

    def labels_of(self, table: "pd.DataFrame") -> "pd.Series":
        """The class of each row of a table as read from CSV that has a label.

        Raises:
            ContractError: a label is none of the classes.
        """
        column = labels(table[self.target].dropna())
        known = {text: self.label_of(text) for text in column.unique()}
        strange = [text for text, label in known.items() if label is None]
        if strange:
            raise ContractError(
                f"the column {quote(self.target)} holds {quote(strange[0])}, which is not a class of the "
                "contract;  "
                "upload the table again"
            )
        return column.map(known)

    @property
    def example(self) -> dict[str, Any]:
        """A record that the contract accepts: every feature at its default."""
        return {feature.name: feature.default for feature in self.features}

    def check(self, record: Mapping[str, Any]) -> tuple[list[FeatureProblem], list[FeatureProblem]]:
        """Judge one record of JSON values.

        Returns:
            (errors, warnings): a record with errors must not be scored; warnings go with the answer.
        """
        if self._is_plain(record):
            return [], []
        errors: list[FeatureProblem] = []
        warnings: list[FeatureProblem] = []
        for feature in self.features:
            if feature.name not in record:
                errors.append(
                    FeatureProblem(
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
            errors += self._unknown([name for name in record if name not in known])
        return errors, warnings

    def _unknown(self, names: Sequence[str]) -> list[FeatureProblem]:
        """The errors of names that are no features: the first hundred, and how many there are beyond."""
        errors = []
        for place, name in enumerate(names[:MOST_UNKNOWN]):
            close = self._nearest(name) if place < MOST_COMPARED else None
            hint = f"; did you mean {close}?" if close else ""
            message = f"{quote(name)} is not a feature of this model{hint}"
            errors.append(FeatureProblem(name[:MAX_TEXT], "unknown_feature", message))
        if len(names) > MOST_UNKNOWN:
            more = f"{len(names) - MOST_UNKNOWN:,} more names are not features of this model"
            errors.append(FeatureProblem("", "unknown_feature", more))
        return errors

    def _nearest(self, name: str) -> str | None:
        """The feature that a name not known most likely means."""
        folded = {known.casefold(): known for known in self.names[:MAX_TEXT]}
        close = difflib.get_close_matches(
            name[:MAX_QUOTE].casefold().strip(), folded, n=1, cutoff=LEAST_ALIKE
        )
        return folded[close[0]] if close else None

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

    def frame(self, records: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
        """Turn checked records into the frame that the pipeline takes, shape (records, features)."""
        import numpy as np
        import pandas as pd

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

    def prepare(self, table: "pd.DataFrame") -> "pd.DataFrame":
        """Select and type the features of a table as read from CSV, shape (rows, features)."""
        import numpy as np
        import pandas as pd

        columns: dict[str, Any] = {}
        for feature in self.features:
            column = table[feature.name]
            if feature.kind is Kind.CATEGORY:
                is_text = isinstance(column.dtype, pd.StringDtype)
                columns[feature.name] = column if is_text else labels(column.dropna()).reindex(column.index)
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
            "strict": self.strict,
            "positive": self.positive,
            "merged": dict(self.merged),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        features = tuple(
            Feature(**{**feature, "kind": Kind(feature["kind"]), "categories": tuple(feature["categories"])})
            for feature in data["features"]
        )
        classes = tuple(data["classes"])
        # what contracts say nothing of that were written before there was a choice
        last = classes[-1] if len(classes) == 2 else None  # noqa: PLR2004
        return cls(
            data["target"],
            features,
            classes,
            dict(data["left_out"]),
            strict=data.get("strict", False),
            positive=data.get("positive", last),
            merged=dict(data.get("merged", {})),
        )


def labels(column: "pd.Series") -> "pd.Series":
    """Values as text, as classes and categories are; whole numbers that a missing one made floats read `1`, not `1.0`."""
    import numpy as np
    import pandas as pd

    if pd.api.types.is_float_dtype(column) and (column % 1 == 0).all() and (column.abs() < EXACT).all():
        return column.astype(np.int64).astype(str)
    return column.astype(str)


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


def quote(value: Any) -> str:
    """The value as JSON would show it, cut to a readable length; of a long one no more is written than is shown."""
    if isinstance(value, str):
        value = value[: MAX_QUOTE + 1]
    if isinstance(value, float) and abs(value) < EXACT and value.is_integer():
        # the same number came as 7 by one door and as 7.0 by another
        value = int(value)
    try:
        parts = _JSON.iterencode(value) if isinstance(value, list | dict) else [_JSON.encode(value)]
        text = "".join(itertools.islice(parts, MAX_QUOTE + 1))
    except ValueError:  # Python writes no integer of more than 4,300 digits
        text = "an integer of thousands of digits"
    return text if len(text) <= MAX_QUOTE else f"{text[:MAX_QUOTE]}..."
