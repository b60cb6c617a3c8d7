"""Whether two samples of counts come from one distribution, and how far they are apart.

Two things have to hold for a shift: it is not chance (chi-squared of the two samples, with the false discovery rate held by
Benjamini and Hochberg over all columns), and it matters (the population stability index less what chance alone makes it).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# false discovery rate over the columns of a window
RATE = 0.01
# least excess of the population stability index that matters
FLOOR = 0.02
# rows of a window from which a shift is looked for
ENOUGH_ROWS = 500
# rows that a bin is expected to have for chi-squared to be right
_LEAST_EXPECTED = 5.0
# rows added to the bins of both samples where one of them has none, so their ratio exists
_HALF_ROW = 0.5


@dataclass(frozen=True)
class Distance:
    """The distance of two samples.

    Attributes:
        shift: population stability index less its expectation for two samples of one distribution; may be negative.
        p: probability of counts at least as different if the distributions are equal.
    """

    shift: float
    p: float

    @property
    def matters(self) -> bool:
        """Whether the shift is large enough to matter."""
        return self.shift > FLOOR


NONE = Distance(0.0, 1.0)


def distance(then: Sequence[int] | NDArray[Any], now: Sequence[int] | NDArray[Any]) -> Distance:
    """Compare two samples, given as counts of the same bins, each of shape (bins,).

    Bins with few expected rows are joined until they have enough. If the last ones never have, they are tested alone and
    exactly, because a bin that one sample does not have at all, such as a new category, is what matters most.
    """
    counts = np.array([then, now], dtype=np.float64)
    counts = counts[:, counts.sum(axis=0) > 0]
    totals = counts.sum(axis=1)
    if not totals.all() or counts.shape[1] < 2:  # noqa: PLR2004
        return NONE
    shares = totals / totals.sum()
    expected = counts.sum(axis=0) * shares.min()
    frequent, rest = _pooled(counts, expected)
    p_values = [_exact(rest, shares)] if rest.any() else []
    if frequent.shape[1] > 1:
        p_values.append(_chi_squared(frequent))
    p = min([1.0, *(len(p_values) * p for p in p_values)])
    return Distance(_excess(np.column_stack([frequent, rest]) if rest.any() else frequent, totals), p)


def differs(then: Sequence[int] | NDArray[Any], now: Sequence[int] | NDArray[Any]) -> bool:
    """Return whether one distribution, judged alone, has moved; not if there are too few rows to tell."""
    if np.sum(now) < ENOUGH_ROWS:
        return False
    found = distance(then, now)
    return found.matters and found.p <= RATE


def _pooled(
    counts: NDArray[np.float64], expected: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return bins with enough expected rows, shape (2, bins), and the rest, shape (2,)."""
    rare = np.flatnonzero(expected < _LEAST_EXPECTED)
    pooled, rest, reached = [counts[:, expected >= _LEAST_EXPECTED]], np.zeros(2), 0.0
    for place in rare:
        rest, reached = rest + counts[:, place], reached + expected[place]
        if reached >= _LEAST_EXPECTED:
            pooled.append(rest[:, np.newaxis])
            rest, reached = np.zeros(2), 0.0
    return np.column_stack(pooled), rest


def _chi_squared(counts: NDArray[np.float64]) -> float:
    """Return the probability of a table of two rows under equal distributions."""
    from scipy.special import chdtrc  # imported here, because it is only needed where shifts are looked for

    totals = counts.sum(axis=1)
    if not totals.all():
        return 1.0
    expected = np.outer(totals, counts.sum(axis=0)) / totals.sum()
    return float(chdtrc(counts.shape[1] - 1, ((counts - expected) ** 2 / expected).sum()))


def _exact(rare: NDArray[np.float64], shares: NDArray[np.float64]) -> float:
    """Return the two-sided probability that rare rows fall so unevenly on both samples."""
    from scipy.special import bdtr, bdtrc

    total = rare.sum()
    lower = bdtr(rare[1], int(total), shares[1])
    upper = bdtrc(rare[1] - 1, int(total), shares[1]) if rare[1] else 1.0
    return float(min(1.0, 2 * min(lower, upper)))


def _excess(counts: NDArray[np.float64], totals: NDArray[np.float64]) -> float:
    """Return the population stability index of two samples without what their sizes alone make of it."""
    empty = (counts == 0).any(axis=0)
    shares = (counts + _HALF_ROW * empty) / totals[:, np.newaxis]
    index = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
    return float(index - (counts.shape[1] - 1) * (1 / totals).sum())


def discoveries(p_values: Sequence[float], rate: float = RATE) -> list[bool]:
    """Return which hypotheses are rejected, by Benjamini and Hochberg, so at most this share of them is wrong on average."""
    values = np.asarray(p_values, dtype=np.float64)
    ranks = np.arange(1, len(values) + 1)
    passed = np.sort(values) <= rate * ranks / max(len(values), 1)
    limit = np.sort(values)[np.flatnonzero(passed)[-1]] if passed.any() else -1.0
    return [bool(value <= limit) for value in values]
