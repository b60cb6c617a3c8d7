"""The contract: the inputs that a classifier accepts, checked on every row.

Records are plain mappings of JSON values, which the contract turns into the frames that the pipeline expects:
numbers, integers and booleans as float64 (missing is NaN), categories as text (missing is NaN), dates as times in UTC
(missing is NaT). pandas is imported only
by the methods that need it, because all processes of the site read contracts, but few of them use frames.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import pandas as pd

from training.ml.files.notation import PLAIN, Notation, format_title
from training.ml.tables import times
from training.ml.tables.digits import EXACT, apart
from training.ml.tables.labels import likeness, value_of
from training.ml.tables.quoting import MAX_QUOTE, quote

MAX_CLASSES = 100
MAX_TEXT = 1_000  # characters
MAX_PROSE = 100_000  # characters of a text that is learned by its words
# characters of a value in a dataset's profile
LONGEST_VALUE = 100
# unknown names of a record that are listed, and those for which a similar feature is suggested
MOST_UNKNOWN = 100
MOST_COMPARED = 5
# similarity from 0 to 1 from which a feature is suggested for an unknown name
LEAST_ALIKE = 0.7
# values of a category from which each has no column of its own, but is encoded by its share of each class
MANY_LEVELS = 50
# the type of columns of dates, in UTC; microseconds reach from the year 1 to 9999 and beyond
MOMENTS: Final = "datetime64[us]"
# words of a text that become inputs
SELECTED_WORDS = 200
# larger numbers overflow in the squares and single-precision floats of estimators
LARGEST = 1e30


class ContractError(ValueError):
    """The table cannot be used to train; the message says what was found, what was expected and what to do."""


class Kind(StrEnum):
    """The kind of a feature's values."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    DATE = "date"
    TEXT = "text"

    @property
    def article(self) -> str:
        """The kind with its article: "a number", "an integer"."""
        return f"an {self.value}" if self is Kind.INTEGER else f"a {self.value}"


# types of values for which the fast check is enough
_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.NUMBER: (float, int),
    Kind.INTEGER: (int,),
    Kind.BOOLEAN: (bool,),
    Kind.CATEGORY: (str,),
    # dates have to be read, and words are not known
    Kind.DATE: (),
    Kind.TEXT: (),
}


# kinds whose values are numbers in frames
# kinds whose values are texts in JSON
TEXTS = frozenset([Kind.CATEGORY, Kind.DATE, Kind.TEXT])
# kinds whose values stay texts in frames
WRITTEN = frozenset([Kind.CATEGORY, Kind.TEXT])
NUMERIC = frozenset([Kind.NUMBER, Kind.INTEGER, Kind.BOOLEAN])


@dataclass(frozen=True)
class FeatureProblem:
    """One remark on one feature of one record: an error, or a warning that is returned with the prediction."""

    feature: str
    code: str
    message: str


@dataclass(frozen=True)
class Feature:
    """One input: its kind, the values seen in training, the initial value of a form, and how files write it.

    Attributes:
        first, last: the first and the last date of training in ISO 8601, with a time unless all dates are at midnight; empty
            for other kinds.
        merged: other spellings of categories that were merged, such as "OSLO " into "Oslo"; further similar ones are too.
    """

    name: str
    kind: Kind
    missing: bool
    default: float | int | bool | str
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    notation: Notation = PLAIN
    merged: Mapping[str, str] = field(default_factory=dict)
    first: str = ""
    last: str = ""

    @property
    def span(self) -> list[str]:
        """The lowest and the highest value of training as texts; empty if the kind has no order."""
        if self.first:
            return [self.first, self.last]
        return [] if self.low is None or self.high is None else apart(self.low, self.high)

    @property
    def has_times(self) -> bool:
        """Whether dates of training have a time of the day."""
        return "T" in self.last

    @cached_property
    def begin(self) -> datetime | None:
        """The first date of training."""
        return times.read(self.first)

    def moment(self, value: Any) -> datetime | None:
        """Return the date of a JSON value, in UTC and without a zone, or None if it is missing or no date."""
        return times.read(value, self.notation.date)

    @cached_property
    def _spellings(self) -> Mapping[str, str]:
        """The categories by what similar spellings share; empty if none were merged."""
        return {likeness(category): category for category in self.categories} if self.merged else {}

    def spelled(self, value: str) -> str:
        """Return the category of a text: itself, or the one into which its spelling was merged."""
        if not self.merged or value in self.categories:
            return value
        return self.merged.get(value) or self._spellings.get(likeness(value), value)

    def to_dict(self) -> dict[str, Any]:
        """Return the feature as JSON values; only dates have `first` and `last`."""
        values = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
        if self.kind is not Kind.DATE:
            del values["first"], values["last"]
        return {**values, "notation": self.notation.to_dict(), "merged": dict(self.merged)}

    def check(self, value: Any) -> tuple[FeatureProblem | None, FeatureProblem | None]:
        """Return (error, warning) for one JSON value; at least one of them is None."""
        if value is None:
            if self.missing:
                return None, None
            return self._problem(
                "null_not_allowed", f"{self.name} had no missing values in training; send {self.kind.article}"
            ), None
        if self.kind is Kind.CATEGORY:
            return self._check_category(value)
        if self.kind is Kind.DATE:
            return self._check_date(value)
        if self.kind is Kind.TEXT:
            return self._check_text(value, MAX_PROSE), None
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

    def _check_date(self, value: Any) -> tuple[FeatureProblem | None, FeatureProblem | None]:
        moment = self.moment(value)
        if moment is None:
            example = self.last or "2024-05-31"
            other = format_title(self.notation.date) if self.notation.date not in {"", times.ISO} else ""
            accepted = f"in ISO 8601 such as {example}" + (f", or {other}" if other else "")
            return self._problem("not_a_date", f"expected a date {accepted}, got {quote(value)}"), None
        if self.begin is not None and moment < self.begin:
            message = f"{quote(value)} is before the training range: training saw {self.first} to {self.last}"
            return None, self._problem("out_of_range", message)
        return None, None

    def _check_category(self, value: Any) -> tuple[FeatureProblem | None, FeatureProblem | None]:
        if not isinstance(value, str):
            return self._problem("not_text", f"expected a text, got {quote(value)}"), None
        if self.spelled(value) in self.categories:
            return None, None
        error = self._check_text(value, MAX_TEXT)
        if error:
            return error, None
        known = ", ".join(self.categories[:8]) + (", ..." if len(self.categories) > 8 else "")  # noqa: PLR2004
        return None, self._problem(
            "unknown_category", f"{quote(value)} is not in the training data; known values: {known}"
        )

    def _check_text(self, value: Any, most: int) -> FeatureProblem | None:
        if not isinstance(value, str):
            return self._problem("not_text", f"expected a text, got {quote(value)}")
        if len(value) > most:
            return self._problem("too_long", f"expected at most {most:,} characters, got {len(value):,}")
        if "\x00" in value or not _is_unicode(value):
            return self._problem(
                "invalid_text",
                "the text contains a NUL character or half of a surrogate pair, which cannot be stored",
            )
        return None

    def _problem(self, code: str, message: str) -> FeatureProblem:
        return FeatureProblem(self.name, code, message)


@dataclass(frozen=True)
class DateParts:
    """Inputs that are the parts of one date, in the order year, month, day and perhaps hour, and the last date of training.

    From them, the weekday and the days since that date are learned too.
    """

    columns: tuple[str, ...]
    last: str


@dataclass(frozen=True)
class Contract:
    """The features in column order, the classes, and the columns that were left out with the reason.

    If `strict` is true, predictions refuse the values that `check` only warns of.

    Attributes:
        classes: in the table's spelling, in the order of `labels.in_order`.
        positive: the class to which precision, recall and the threshold refer; None with more than two classes.
        merged: other spellings in the table that were merged into a class.
        date_parts: the inputs that are learned as parts of one date, too.
        protected: the inputs whose groups of people are compared with each other; they are learned from like the others.
    """

    target: str
    features: tuple[Feature, ...]
    classes: tuple[str, ...]
    left_out: Mapping[str, str]
    strict: bool = False
    positive: str | None = None
    merged: Mapping[str, str] = field(default_factory=dict)
    date_parts: tuple[DateParts, ...] = ()
    protected: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [feature.name for feature in self.features]

    @property
    def categories(self) -> list[str]:
        return [feature.name for feature in self.features if feature.kind is Kind.CATEGORY]

    @property
    def levels(self) -> list[str]:
        """The categories with too many values for a column each."""
        return [feature.name for feature in self.features if len(feature.categories) > MANY_LEVELS]

    @property
    def numbers(self) -> list[str]:
        return [feature.name for feature in self.features if feature.kind in NUMERIC]

    @property
    def prose(self) -> list[str]:
        """The features that are learned by their words."""
        return [feature.name for feature in self.features if feature.kind is Kind.TEXT]

    @property
    def dates(self) -> list[Feature]:
        """The features that are dates."""
        return [feature for feature in self.features if feature.kind is Kind.DATE]

    @cached_property
    def texts(self) -> Mapping[str, frozenset[str]]:
        """The categories seen in training, by feature; none for features that are learned by their words."""
        return {
            feature.name: frozenset(feature.categories)
            for feature in self.features
            if feature.kind in WRITTEN
        }

    @cached_property
    def merging(self) -> Mapping[str, Feature]:
        """The features with categories of several spellings, by name."""
        return {feature.name: feature for feature in self.features if feature.merged}

    @property
    def negative(self) -> str | None:
        """The negative of two classes."""
        return (
            next((label for label in self.classes if label != self.positive), None) if self.positive else None
        )

    def with_positive(self, label: str) -> Self:
        """Return the contract with another positive class.

        Raises:
            ContractError: there are more than two classes, or the class does not exist.
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
        """Return the class of a label in a table or in feedback, or None if no class matches.

        A label matches a class by its name, by a spelling that was merged into it, or as another notation of the same
        number or truth value, if only one class has it: `1.0` for `1`, `true` for `TRUE`. Texts have one notation.
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
        """Return the class of each labelled row of a table as read from CSV.

        Raises:
            ContractError: a label matches no class.
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
        """A valid record, in which each feature has its default."""
        return {feature.name: feature.default for feature in self.features}

    def check(self, record: Mapping[str, Any]) -> tuple[list[FeatureProblem], list[FeatureProblem]]:
        """Check one record of JSON values.

        Returns:
            (errors, warnings): a record with errors must not be scored; warnings are returned with the prediction.
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
        """Return the errors for unknown names: the first hundred, and one with the number of the others."""
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
        """Return the feature whose name is most similar to an unknown one, if any is similar enough."""
        folded = {known.casefold(): known for known in self.names[:MAX_TEXT]}
        close = difflib.get_close_matches(
            name[:MAX_QUOTE].casefold().strip(), folded, n=1, cutoff=LEAST_ALIKE
        )
        return folded[close[0]] if close else None

    def _is_plain(self, record: Mapping[str, Any]) -> bool:
        """Return quickly whether each feature has a value of its kind that was seen in training."""
        if len(record) != len(self.features):
            return False
        for name, types, low, high, known in self._plain:
            value: Any = record.get(name)
            if type(value) not in types or not (value in known if known else low <= value <= high):
                return False
        return True

    @cached_property
    def _plain(self) -> list[tuple[str, tuple[type, ...], float, float, frozenset[Any]]]:
        """For each feature its name, the types of its values, and their range or the known values."""
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
        """Turn checked records into the frame that the pipeline expects, shape (records, features)."""
        import numpy as np
        import pandas as pd

        columns: dict[str, Any] = {}
        for feature in self.features:
            values = [record[feature.name] for record in records]
            if feature.kind in WRITTEN:
                columns[feature.name] = np.array(
                    [np.nan if value is None else feature.spelled(value) for value in values], dtype=object
                )
            elif feature.kind is Kind.DATE:
                columns[feature.name] = np.array(list(map(feature.moment, values)), dtype=MOMENTS)
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
            if feature.kind in WRITTEN:
                is_text = isinstance(column.dtype, pd.StringDtype)
                texts = column if is_text else labels(column.dropna()).reindex(column.index)
                columns[feature.name] = (
                    texts.map(feature.spelled, na_action="ignore") if feature.merged else texts
                )
            elif feature.kind is Kind.DATE:
                columns[feature.name] = _moments(feature, column)
            else:
                columns[feature.name] = column.astype(np.float64)
        return pd.DataFrame(columns, index=table.index, copy=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the contract as JSON values."""
        return {
            "target": self.target,
            "classes": list(self.classes),
            "features": [feature.to_dict() for feature in self.features],
            "left_out": dict(self.left_out),
            "strict": self.strict,
            "positive": self.positive,
            "merged": dict(self.merged),
            **({"date_parts": [asdict(parts) for parts in self.date_parts]} if self.date_parts else {}),
            **({"protected": list(self.protected)} if self.protected else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        features = tuple(
            Feature(
                **{
                    **feature,
                    "kind": Kind(feature["kind"]),
                    "categories": tuple(feature["categories"]),
                    "notation": Notation.from_dict(feature.get("notation", {})),
                }
            )
            for feature in data["features"]
        )
        classes = tuple(data["classes"])
        # older contracts have no positive class, because it was always the last of two
        last = classes[-1] if len(classes) == 2 else None  # noqa: PLR2004
        return cls(
            data["target"],
            features,
            classes,
            dict(data["left_out"]),
            strict=data.get("strict", False),
            positive=data.get("positive", last),
            merged=dict(data.get("merged", {})),
            date_parts=tuple(
                DateParts(tuple(parts["columns"]), parts["last"]) for parts in data.get("date_parts", ())
            ),
            protected=tuple(data.get("protected", ())),
        )


def _moments(feature: Feature, column: "pd.Series") -> "pd.Series":
    """Return a column of dates as times in UTC without a zone; texts are read as those of callers.

    Raises:
        ContractError: a text is no date.
    """
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        plain = column.dt.tz_convert("UTC").dt.tz_localize(None) if column.dt.tz is not None else column
        return plain.astype(MOMENTS)
    moments = {value: feature.moment(value) for value in column.dropna().unique()}
    for value, moment in moments.items():
        if moment is None:
            raise ContractError(f"the column {quote(feature.name)} holds {quote(value)}, which is not a date")
    return pd.Series(column.map(moments, na_action="ignore"), index=column.index).astype(MOMENTS)


def labels(column: "pd.Series") -> "pd.Series":
    """Convert values to the texts of classes and categories; whole numbers that pandas reads as floats become `1`."""
    import numpy as np
    import pandas as pd

    if pd.api.types.is_float_dtype(column) and (column % 1 == 0).all() and (column.abs() < EXACT).all():
        return column.astype(np.int64).astype(str)
    return column.astype(str)


def top_values(profile: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the most frequent values of a column with their counts; none for numbers and dates.

    Truth values are as in JSON and in forms; profiles of earlier releases have True and False.
    """
    write = str.lower if profile.get("kind") == Kind.BOOLEAN else str
    return [(write(text), count) for text, count in profile.get("top", [])]


def with_label(table: "pd.DataFrame", target: str) -> "pd.DataFrame":
    """Return the rows of a table that have a label."""
    has_label = table[target].notna()
    return table if has_label.all() else table[has_label]


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # the integer is beyond the range of floats
        return False


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
