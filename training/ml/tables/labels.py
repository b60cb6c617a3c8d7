"""Labels in the table's spelling: similar spellings of one class, the order of classes, and the positive class."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# exponents are limited to three digits, because the numbers of longer ones would not fit into memory
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
# the usual negative and positive labels of two classes
USUAL = (
    ("no", "yes"),
    ("n", "y"),
    ("false", "true"),
    ("f", "t"),
    ("0", "1"),
    ("-1", "1"),
    ("off", "on"),
    ("negative", "positive"),
    ("neg", "pos"),
    ("-", "+"),
    ("absent", "present"),
    ("nein", "ja"),
    ("nee", "ja"),
    ("nej", "ja"),
    ("non", "oui"),
    ("no", "s\u00ed"),
    ("no", "si"),
    ("n\u00e3o", "sim"),
)


def likeness(label: str) -> str:
    """Return a key that similar labels share: it ignores case, blanks, Unicode form and the notation of numbers."""
    text = " ".join(unicodedata.normalize("NFKC", label).casefold().split())
    return str(Fraction(text)) if _NUMBER.fullmatch(text) else text


def value_of(label: str) -> str:
    """Return a normal form of a label that is a number or a truth value, and other labels unchanged."""
    text = label.strip()
    if _NUMBER.fullmatch(text):
        return str(Fraction(text))
    return text.lower() if text.lower() in {"true", "false"} else label


def distinct(labels: Iterable[str]) -> int:
    """Return the number of classes if similar labels are merged."""
    return len({likeness(label) for label in labels})


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Sort labels for lists and charts: numbers by value, then texts by their characters."""
    return tuple(sorted(labels, key=_place))


def _place(label: str) -> tuple[bool, Fraction, str]:
    is_number = bool(_NUMBER.fullmatch(label))
    return (not is_number, Fraction(label) if is_number else Fraction(0), label)


def alike(counts: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Return groups of two or more labels that look like one class, each with the most frequent label first.

    Args:
        counts: rows by label.
    """
    groups: dict[str, list[str]] = {}
    for label in in_order(counts):
        groups.setdefault(likeness(label), []).append(label)
    return [
        tuple(sorted(group, key=lambda label: -counts[label])) for group in groups.values() if len(group) > 1
    ]


def count(labels: "pd.Series") -> dict[str, int]:
    """Count the rows of each label."""
    return {str(label): int(rows) for label, rows in labels.value_counts().items()}


def guess_positive(counts: Mapping[str, int]) -> str | None:
    """Return the default positive class of two classes; None if there are more or fewer.

    For a pair of usual labels it is the positive one, see USUAL. Otherwise it is the rarer class, or the last one if
    both have the same number of rows.

    Args:
        counts: rows by class.
    """
    if len(counts) != 2:  # noqa: PLR2004
        return None
    by_likeness = {likeness(label): label for label in counts}
    for pair in USUAL:
        if by_likeness.keys() == set(pair):
            return by_likeness[pair[1]]
    first, last = in_order(counts)
    return first if counts[first] < counts[last] else last
