"""Shares with their intervals."""

import math
from dataclasses import dataclass

# standard deviations within which a normal distribution has 95 % of its values
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Share:
    """A share, or a mean of shares, with its interval; `rows` are those that it was measured on."""

    value: float
    low: float
    high: float
    rows: int


def share(hits: int, rows: int, deviations: float = NORMAL_95) -> Share:
    """Return a share with its interval by Wilson's score, which also works for few rows, but not for none.

    Args:
        deviations: of a normal distribution within the interval; more if several intervals have to hold together.
    """
    observed, square = hits / rows, deviations**2 / rows
    middle = (observed + square / 2) / (1 + square)
    reach = deviations / (1 + square) * math.sqrt(observed * (1 - observed) / rows + square / (4 * rows))
    return Share(observed, max(middle - reach, 0.0), min(middle + reach, 1.0), rows)


def around(value: float, variance: float, rows: int) -> Share:
    """Return an estimate with the 95 % interval of its variance."""
    reach = NORMAL_95 * math.sqrt(variance)
    return Share(value, max(value - reach, 0.0), min(value + reach, 1.0), rows)


def is_below(lower: Share, higher: Share) -> bool:
    """Whether a share is below another one, by Newcombe's interval of their difference, from the intervals of both."""
    reach = math.hypot(lower.high - lower.value, higher.value - higher.low)
    return lower.value + reach < higher.value
