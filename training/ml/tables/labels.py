"""Labels as the table spells them: which spellings look like one class, their order, and which class is the positive one."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# exponents of more digits would make numbers of more digits than memory holds
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
# the usual negative and positive answer to a question of two answers
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
)


def likeness(label: str) -> str:
    """What labels share that look like one class: it knows no case, no blanks around, no Unicode form, no `01` and `1.0`."""
    text = " ".join(unicodedata.normalize("NFKC", label).casefold().split())
    return str(Fraction(text)) if _NUMBER.fullmatch(text) else text


def value_of(label: str) -> str:
    """What a label says if it is a number or a truth value, however it is written; the label itself if it is a text."""
    text = label.strip()
    if _NUMBER.fullmatch(text):
        return str(Fraction(text))
    return text.lower() if text.lower() in {"true", "false"} else label


def distinct(labels: Iterable[str]) -> int:
    """How many classes there are if those that look alike are one."""
    return len({likeness(label) for label in labels})


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels in the order of every list and chart: numbers by their size, then texts by their characters."""
    return tuple(sorted(labels, key=_place))


def _place(label: str) -> tuple[bool, Fraction, str]:
    is_number = bool(_NUMBER.fullmatch(label))
    return (not is_number, Fraction(label) if is_number else Fraction(0), label)


def alike(counts: Mapping[str, int]) -> list[tuple[str, ...]]:
    """The groups of two and more labels that look like one class; in each the most frequent comes first.

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
    """Rows by label."""
    return {str(label): int(rows) for label, rows in labels.value_counts().items()}


def guess_positive(counts: Mapping[str, int]) -> str | None:
    """The class that precision, recall and the threshold speak of unless somebody chooses; None unless there are two.

    Of two usual answers it is the one that says yes, see USUAL. Otherwise it is the rarer class, and of two classes with
    as many rows the last.

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
