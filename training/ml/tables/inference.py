"""Inference of a contract from a table, and its corrections."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from training.ml.files.dates import texts
from training.ml.files.notation import NOTATIONS, Notation
from training.ml.tables.contract import (
    MAX_CLASSES,
    MAX_TEXT,
    MOMENTS,
    Contract,
    ContractError,
    Feature,
    Kind,
    labels,
    with_label,
)
from training.ml.tables.corrections import AS_INFERRED, Choice, Corrections, Spellings
from training.ml.tables.date_parts import joined
from training.ml.tables.labels import alike, count, guess_positive, in_order
from training.ml.tables.quoting import quote

# share of distinct texts from which a column counts as an identifier of its rows
IDENTIFIER_SHARE = 0.9
# share and number of distinct texts above which a column is free text, whose one-hot encoding would overfit
FREE_TEXT_SHARE = 0.5
FREE_TEXT_VALUES = 50
# words of a text, on average, from which texts are no identifiers, however different they are
WORDS_OF_PROSE = 3
BLANKS = r"\S\s+\S"
# the example of a feature that is learned by its words; texts of the table may be private
SOME_TEXT = "some text"
MIN_ROWS_FOR_IDENTIFIER = 20  # rows
# distinct values of a category column; a column with more cannot be one, even by choice
MAX_CATEGORIES = 10_000
SHOWN_COLUMNS = 20  # columns in an error message
SHOWN_GROUPS = 5  # groups of similar labels in an error message


class LeftOut(StrEnum):
    """Why a column is left out; the text begins the reason."""

    ALL_MISSING = "every value is missing"
    CONSTANT = "every value is the same"
    IDENTIFIER = "identifier-like"
    FREE_TEXT = "free text"
    CHOICE = "left out by choice"


def infer(table: pd.DataFrame, target: str, corrections: Corrections = AS_INFERRED) -> Contract:
    """Infer a contract from a table.

    Args:
        table: from `read_table` with these corrections, shape (rows, columns), including the target.
        target: the label column.
        corrections: choices that override what is inferred.

    Raises:
        ContractError: the target column is missing, there are fewer than two or more than 100 classes or no usable
            features, or a correction does not fit.
    """
    if target not in table.columns:
        raise ContractError(f"there is no column {quote(target)} to predict; {_listed(table.columns)}")
    check_columns(corrections, [str(name) for name in table.columns], target)
    labelled = with_label(table, target)
    classes = _with_classes(Contract(target, (), (), {}), labelled[target], corrections.labels)
    decisions = {
        str(name): _decide(str(name), labelled[name], corrections.columns.get(str(name)))
        for name in table.columns
        if name != target
    }
    decisions = _with_notations(decisions, table.attrs.get(NOTATIONS, {}))
    agreed = _contract(replace(classes, strict=corrections.strict), decisions)
    return _with_roles(agreed, labelled, corrections)


def correct(contract: Contract, table: pd.DataFrame, corrections: Corrections) -> Contract:
    """Return the contract with corrected columns; the other columns stay the same.

    Args:
        table: from `read_table` with these corrections, shape (rows, columns).

    Raises:
        ContractError: a correction does not fit, there are no features left, or labels look like one class and the
            corrections do not say whether they are.
    """
    check_columns(corrections, [str(name) for name in table.columns], contract.target)
    known: dict[str, Feature | str] = {
        **contract.left_out,
        **{feature.name: feature for feature in contract.features},
    }
    labelled = with_label(table, contract.target)
    decisions = {
        str(name): _decide(str(name), labelled[name], corrections.columns[str(name)])
        if str(name) in corrections.columns
        else known[str(name)]
        for name in table.columns
        if name != contract.target
    }
    spelled = _spelled(contract, labelled, corrections.labels)
    agreed = _contract(replace(spelled, strict=corrections.strict), decisions)
    return _with_roles(agreed, labelled, corrections)


def _with_roles(contract: Contract, labelled: pd.DataFrame, corrections: Corrections) -> Contract:
    """Return the contract with the inputs that are parts of a date, and those whose groups are protected."""
    parts = tuple(joined(contract, labelled, columns) for columns in corrections.date_parts)
    for name in corrections.protected:
        if name not in contract.names:
            raise ContractError(
                f"the column {quote(name)} is no input; only the groups of inputs can be compared, because the log has no others"
            )
    return replace(contract, date_parts=parts, protected=corrections.protected)


def _with_notations(
    decisions: Mapping[str, Feature | str], notations: Mapping[str, Mapping[str, Any]]
) -> dict[str, Feature | str]:
    """Return the decisions with the notation of each feature's column in the file."""
    return {
        name: replace(decision, notation=Notation.from_dict(notations[name]))
        if isinstance(decision, Feature) and name in notations
        else decision
        for name, decision in decisions.items()
    }


def check_columns(corrections: Corrections, columns: Iterable[str], target: str) -> None:
    """Raise ContractError unless all corrected columns are in the table and none is the target."""
    there = dict.fromkeys(columns)
    for name in corrections.columns:
        if name == target:
            raise ContractError(
                f"the column {quote(name)} is the target; only the other columns can be corrected"
            )
        if name not in there:
            raise ContractError(f"there is no column {quote(name)} to correct; {_listed(there)}")


def kind_of(values: pd.Series) -> Kind:
    """Return the kind of values, none of which is missing."""
    if pd.api.types.is_bool_dtype(values) or all(isinstance(value, bool) for value in values):
        return Kind.BOOLEAN
    if pd.api.types.is_datetime64_any_dtype(values):
        return Kind.DATE
    if pd.api.types.is_integer_dtype(values):
        return Kind.INTEGER
    return Kind.NUMBER if pd.api.types.is_numeric_dtype(values) else Kind.CATEGORY


def _listed(columns: Iterable[object]) -> str:
    names = list(map(str, columns))
    more = f" and {len(names) - SHOWN_COLUMNS:,} more" if len(names) > SHOWN_COLUMNS else ""
    return f"the table has: {', '.join(names[:SHOWN_COLUMNS])}{more}"


def _contract(start: Contract, decisions: Mapping[str, Feature | str]) -> Contract:
    """Fill in the features, and the reasons why the other columns are left out."""
    features = tuple(decision for decision in decisions.values() if isinstance(decision, Feature))
    left_out = {name: decision for name, decision in decisions.items() if isinstance(decision, str)}
    if not features:
        shown = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:SHOWN_COLUMNS])
        raise ContractError(
            f"no column is left as an input ({shown or 'the target is the only column'}); "
            "add at least one feature, or include a column that is left out"
        )
    return replace(start, features=features, left_out=left_out)


def _spelled(contract: Contract, labelled: pd.DataFrame, choice: Spellings | None) -> Contract:
    """Return the contract with similar labels merged or kept; raise ContractError if there is no choice."""
    groups = alike(count(contract.labels_of(labelled)))
    if not groups or choice is Spellings.KEEP:
        return contract
    if choice is None:
        raise ContractError(
            f"in {quote(contract.target)} {tell_alike(groups)}. Merge them "
            '(--merge-labels, or "labels": "merge" in the corrections), or keep them as different classes '
            '(--keep-labels, or "keep")'
        )
    return _with_classes(contract, labelled[contract.target], choice)


def tell_alike(groups: Sequence[Sequence[str]], what: str = "class") -> str:
    """Name the labels or categories that look like one."""
    listed = [" and ".join(map(quote, group)) for group in groups[:SHOWN_GROUPS]]
    more = f" and {len(groups) - SHOWN_GROUPS} more groups" if len(groups) > SHOWN_GROUPS else ""
    return f"{'; '.join(listed)}{more} look like different spellings of one {what}"


def _with_classes(contract: Contract, column: pd.Series, choice: Spellings | None) -> Contract:
    """Fill in the classes of a column of labels, with similar ones merged if that was chosen."""
    counts = count(labels(column))
    merged = _merge(counts) if choice is Spellings.MERGE else {}
    classes = _checked(in_order(counts), contract.target)
    return replace(contract, classes=classes, positive=guess_positive(counts), merged=merged)


def _checked(classes: tuple[str, ...], target: str) -> tuple[str, ...]:
    if not classes:
        raise ContractError(f"the column {quote(target)} is empty; expected a label in every row")
    if len(classes) == 1:
        raise ContractError(
            f"the column {quote(target)} has only one class ({quote(classes[0])}); expected at least two"
        )
    if len(classes) > MAX_CLASSES:
        raise ContractError(
            f"the column {quote(target)} has {len(classes):,} different values; at most {MAX_CLASSES} "
            "classes are allowed. Check that it is not a number to estimate or an identifier"
        )
    longest = max(map(len, classes))
    if longest > MAX_TEXT:
        raise ContractError(
            f"a label in {quote(target)} has {longest:,} characters; at most {MAX_TEXT:,} are allowed"
        )
    return classes


def _decide(name: str, column: pd.Series, choice: Choice | None) -> Feature | str:
    """Return the feature of a column, or the reason why the column is left out."""
    if choice is Choice.LEAVE_OUT:
        return LeftOut.CHOICE.value
    if choice is None and isinstance(column.dtype, pd.StringDtype):
        return _decide_texts(name, column)
    values = column.dropna()
    missing = len(values) < len(column)
    is_flag = missing and _is_constant(values)
    if choice is None:
        kind = Kind.CATEGORY if is_flag else None
        return _reason_to_leave_out(values, is_flag=is_flag) or _feature(
            name, values, kind or kind_of(values), missing
        )
    if values.empty:
        raise ContractError(
            f"the column {quote(name)} has no value in any labelled row; it can only be left out"
        )
    if choice is Choice.TEXT:
        return Feature(name, Kind.TEXT, missing, SOME_TEXT)
    kind = Kind.CATEGORY if choice.is_text else Kind.NUMBER if choice is Choice.NUMBER else kind_of(values)
    if kind is Kind.NUMBER and not _is_numeric(values):
        raise ContractError(
            f"the column {quote(name)} holds {quote(values.iloc[0])} and cannot be a number; use it as a "
            "category, or leave it out"
        )
    feature = _feature(name, values, kind, missing, merge=choice is Choice.MERGE)
    if len(feature.categories) > MAX_CATEGORIES:
        raise ContractError(
            f"the column {quote(name)} has {len(feature.categories):,} different values; a category can have "
            f"at most {MAX_CATEGORIES:,}. Leave it out, or group its values"
        )
    return feature


def _decide_texts(name: str, column: pd.Series) -> Feature | str:
    """Decide about a column of texts by the number of rows of each text."""
    counts = count(column)
    missing = sum(counts.values()) < len(column)
    if not counts:
        return LeftOut.ALL_MISSING.value
    if len(counts) == 1 and not missing:
        return f"{LeftOut.CONSTANT} ({quote(next(iter(counts)))})"
    return _too_different(counts) or _category(name, counts, missing)


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _reason_to_leave_out(values: pd.Series, *, is_flag: bool) -> str | None:
    if values.empty:
        return LeftOut.ALL_MISSING.value
    if not is_flag and (values == values.iloc[0]).all():
        return f"{LeftOut.CONSTANT} ({quote(values.iloc[0])})"
    if pd.api.types.is_integer_dtype(values):
        if len(values) >= MIN_ROWS_FOR_IDENTIFIER and _counts_up(values.to_numpy()):
            return f"{LeftOut.IDENTIFIER}: {len(values):,} consecutive whole numbers in {len(values):,} rows"
        return None
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return None
    return _too_different(count(values))


def _too_different(counts: Mapping[str, int]) -> str | None:
    """Return why texts are no categories, if so many of them are different."""
    distinct, rows = len(counts), sum(counts.values())
    share = distinct / rows
    if distinct <= FREE_TEXT_VALUES and share < IDENTIFIER_SHARE:
        return None
    is_prose = distinct > FREE_TEXT_VALUES and _blanks(counts) >= (WORDS_OF_PROSE - 1) * rows
    if not is_prose and rows >= MIN_ROWS_FOR_IDENTIFIER and share >= IDENTIFIER_SHARE:
        return f"{LeftOut.IDENTIFIER}: {distinct:,} different texts in {rows:,} rows"
    if distinct > FREE_TEXT_VALUES and share >= FREE_TEXT_SHARE:
        return f"{LeftOut.FREE_TEXT}: {distinct:,} different texts in {rows:,} rows"
    return None


def _blanks(counts: Mapping[str, int]) -> int:
    """Return the number of gaps between words in all rows."""
    return sum(len(re.findall(BLANKS, text)) * rows for text, rows in counts.items())


def _is_constant(values: pd.Series) -> bool:
    """Return whether all values of a column are the same, so that with missing ones it is a flag."""
    return len(values) > 0 and bool((values == values.iloc[0]).all())


def _counts_up(values: np.ndarray) -> bool:
    """Return whether whole numbers are distinct and without gaps; they are sorted only if their range fits."""
    if int(values.max()) - int(values.min()) != len(values) - 1:
        return False
    return bool((np.diff(np.sort(values)) == 1).all())


def _feature(name: str, values: pd.Series, kind: Kind, missing: bool, *, merge: bool = False) -> Feature:
    """Describe a feature by its present values."""
    if kind is Kind.BOOLEAN:
        return Feature(name, kind, missing, bool(values.mode().iloc[0]))
    if kind is Kind.INTEGER:
        middle = round(_median(values))
        return Feature(name, kind, missing, middle, (), int(values.min()), int(values.max()))
    if kind is Kind.NUMBER:
        low, high = float(values.min()), float(values.max())
        return Feature(name, kind, missing, float(f"{_median(values):.15g}"), (), low, high)
    if kind is Kind.DATE:
        return _date(name, values, missing)
    return _category(name, count(labels(values)), missing, merge=merge)


def _category(name: str, counts: dict[str, int], missing: bool, *, merge: bool = False) -> Feature:
    merged = _merge(counts) if merge else {}
    highest = max(counts.values())
    most = min(category for category, rows in counts.items() if rows == highest)
    return Feature(name, Kind.CATEGORY, missing, most, in_order(counts), merged=merged)


def _median(values: pd.Series) -> float:
    ordered = np.sort(values.to_numpy(np.float64))
    return float(np.mean(ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]))


def _date(name: str, values: pd.Series, missing: bool) -> Feature:
    ordered = pd.Series(np.sort(values.to_numpy(dtype=MOMENTS)))
    first, middle, last = texts(ordered.iloc[[0, len(ordered) // 2, -1]], ordered)
    return Feature(name, Kind.DATE, missing, middle, first=first, last=last)


def _merge(counts: dict[str, int]) -> dict[str, str]:
    """Add the rows of similar spellings to the most frequent one, and return it for each of the others."""
    merged = {spelling: first for first, *others in alike(counts) for spelling in others}
    for spelling, kept in merged.items():
        counts[kept] += counts.pop(spelling)
    return merged
