"""Columns that are the parts of one date: year, month, day and perhaps hour, as whole numbers."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from training.ml.tables.contract import Contract, ContractError, DateParts, Kind
from training.ml.tables.quoting import quote

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("year", "month", "day", "hour")
FEWEST = 3
# usual names and the possible values of each part
_NAMES = (
    {"year", "yr", "yyyy", "jahr", "annee", "anno"},
    {"month", "mon", "mnth", "mm", "monat", "mois", "mes"},
    {"day", "dom", "mday", "dd", "tag", "jour", "dia"},
    {"hour", "hr", "hrs", "hh", "stunde", "heure", "hora"},
)
_LIMITS = ((1_000, 9_999), (1, 12), (1, 31), (0, 23))
_WORD = re.compile(r"[^\W\d_]+")


def recognise(contract: Contract) -> list[tuple[str, ...]]:
    """Return the inputs that look like the parts of one date, by their names and ranges: year, month, day, perhaps hour."""
    found: dict[tuple[str, ...], dict[int, str]] = {}
    for feature in contract.features:
        if feature.kind is not Kind.INTEGER or feature.low is None or feature.high is None:
            continue
        words = [word.lower() for word in _WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", feature.name))]
        for part, (names, (least, most)) in enumerate(zip(_NAMES, _LIMITS, strict=True)):
            rest = tuple(word for word in words if word not in names)
            if len(rest) == len(words) - 1 and least <= feature.low and feature.high <= most:
                found.setdefault(rest, {}).setdefault(part, feature.name)
    return [
        tuple(parts[part] for part in sorted(parts)) for parts in found.values() if {0, 1, 2} <= parts.keys()
    ]


def joined(contract: Contract, table: "pd.DataFrame", columns: Sequence[str]) -> DateParts:
    """Return the parts of a date with the last date of the table.

    Args:
        columns: year, month, day and perhaps hour, in this order.

    Raises:
        ContractError: a column is no input of numbers, or together they are no dates.
    """
    import pandas as pd

    shown = ", ".join(columns)
    if not FEWEST <= len(columns) <= len(PARTS):
        raise ContractError(
            f"the parts of a date are {', '.join(PARTS[:FEWEST])} and perhaps {PARTS[FEWEST]}, in this order; got {shown}"
        )
    for name in columns:
        if name not in contract.numbers:
            raise ContractError(
                f"the column {quote(name)} is no input of numbers and cannot be a part of a date"
            )
    parts = table[list(columns)].set_axis(list(PARTS[: len(columns)]), axis=1).dropna()
    dates = pd.to_datetime(parts.round().astype("int64"), errors="coerce")
    if dates.isna().mean() > 0.1 or dates.empty:  # noqa: PLR2004  a few wrong days do no harm
        raise ContractError(f"the columns {shown} are no year, month and day of one date")
    return DateParts(tuple(columns), dates.max().isoformat())
