"""The shift of a column between two tables: the share of rows that would have to change for their values to match."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any, Literal

# share of the table's values that each group of bins has at least
GROUP = 0.1
# additional groups, not of values of the table
MISSING, OTHER = object(), object()
# a shift is far from this share on, if it is this many times as far as chance alone moves the values
FAR = 0.05
SURELY = 2.5


@dataclass(frozen=True)
class Shift:
    """How far the values of a column have moved.

    Attributes:
        moved: share of rows that would have to change for both distributions to match (total variation distance).
        by_chance: the average of `moved` for tables of these sizes with the same distribution.
        then, now: the median of numbers, that of dates in ISO 8601, otherwise the share of `value`, the most frequent
            value of the earlier table.
    """

    moved: float
    by_chance: float
    then: float | str
    now: float | str
    value: str | None = None

    @property
    def is_far(self) -> bool:
        """Whether chance does not explain it."""
        return is_far(self.moved, self.by_chance)


@dataclass(frozen=True)
class ColumnChange:
    """A column of either table; `before` and `after` are the kinds of its values, "" where the table does not have it."""

    name: str
    before: str
    after: str
    shift: Shift | None = None

    @property
    def change(self) -> Literal["added", "removed", "kind", ""]:
        """What happened to the column."""
        if not self.before:
            return "added"
        if not self.after:
            return "removed"
        return "kind" if self.before != self.after else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the change as JSON values."""
        return {**asdict(self), "change": self.change}


def is_far(moved: float, by_chance: float) -> bool:
    """Return whether values moved farther than chance explains."""
    return moved > max(SURELY * by_chance, FAR)


def groups(counts: Sequence[int], edges: Sequence[float]) -> list[tuple[float, int]]:
    """Return the merged bins of a histogram: upper edge and count of each group."""
    total, merged, since = sum(counts), [], 0
    for upper, reached in zip(edges[1:], accumulate(counts), strict=True):
        if reached - since >= GROUP * total:
            merged.append((upper, reached - since))
            since = reached
    if since < total:
        merged.append((edges[-1], total - since))
    return merged


def distance(then: Counter[Any], now: Counter[Any]) -> tuple[float, float]:
    """Return the distance of two distributions, and the average distance of two samples of one.

    Args:
        then, now: rows by group.
    """
    before, after = max(then.total(), 1), max(now.total(), 1)
    shares = {place: then[place] / before for place in then | now}
    moved = sum(abs(share - now[place] / after) for place, share in shares.items()) / 2
    variance = 1 / before + 1 / after  # of both, which are samples
    by_chance = sum(math.sqrt(2 * share * (1 - share) * variance / math.pi) for share in shares.values()) / 2
    return moved, by_chance
