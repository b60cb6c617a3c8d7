"""Formatting of numbers for pages, charts and the report."""

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

# between a number and its unit
NARROW = "\u202f"
MINUS = "\u2212"
MINUTE, HOUR = 60, 3_600  # seconds


def percent(share: float | None, digits: int = 1) -> str:
    """0.8342 as 83.4 %; values close to 0 or 1 are not rounded to 0 % or 100 %."""
    if share is None:
        return "unknown"
    least = 10.0 ** -(digits + 2)
    if 0 < share < least:
        return f"< {100 * least:.{digits}f}{NARROW}%"
    if 1 - least < share < 1:
        return f"> {100 * (1 - least):.{digits}f}{NARROW}%"
    return f"{100 * share:.{digits}f}{NARROW}%"


def interval(bounds: Sequence[float]) -> str:
    """Two shares as 81.2 to 85.3 %."""
    low, high = bounds
    return f"{100 * low:.1f} to {100 * high:.1f}{NARROW}%"


def score(value: float) -> str:
    """A metric to three places."""
    return f"{value:.3f}"


def signed(difference: float) -> str:
    """A difference with its sign, to three places; ± if it rounds to 0."""
    if not round(difference, 3):
        return "±0.000"
    return f"{difference:+.3f}".replace("-", MINUS)


def points(difference: float) -> str:
    """A difference of two shares in points of a percent, with its sign."""
    rounded = round(100 * difference, 1)
    if not rounded:
        return "unchanged"
    return f"{rounded:+.1f}{NARROW}points".replace("-", MINUS)


def amount(value: float, unit: str) -> str:
    """An amount in a unit, to about three significant digits: 8.25 EUR, 83.2 EUR, 1,234 EUR."""
    digits = 2 if value < 10 else 1 if value < 100 else 0  # noqa: PLR2004
    text = f"{value:,.{digits}f}"
    return f"{text}{NARROW}{unit}" if unit else text


def milliseconds(value: float) -> str:
    """A latency with two significant digits."""
    if value < 1:
        return f"{value:.2g}"
    return f"{value:.1f}".removesuffix(".0") if value < 100 else f"{value:,.0f}"  # noqa: PLR2004


def latency(value: float) -> str:
    """Milliseconds with their unit."""
    return f"{milliseconds(value)}{NARROW}ms"


def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    if seconds < MINUTE:
        return f"{seconds:.{1 if seconds >= 1 else 2}f}{NARROW}s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE}{NARROW}min {whole % MINUTE}{NARROW}s"
    return f"{whole // HOUR:,}{NARROW}h {whole % HOUR // MINUTE}{NARROW}min"


def roughly(seconds: float) -> str:
    """An estimated length of time: in steps of 5 s below a minute, then whole minutes."""
    if seconds < MINUTE:
        return f"{max(5, 5 * round(seconds / 5))}{NARROW}s"
    return duration(MINUTE * round(seconds / MINUTE)).removesuffix(f" 0{NARROW}s")


def moment(when: datetime | None) -> str:
    """A time to the minute, in UTC."""
    return f"{timezone.localtime(when):%Y-%m-%d %H:%M} UTC" if when else "not yet"


def count(number: int, one: str, many: str = "") -> str:
    """1 row, 2 rows."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
