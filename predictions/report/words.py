"""How a report writes numbers, times and settings."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

NARROW = "\u202f"
KIBIBYTE = 1_024


def share(value: float | None, digits: int = 1) -> str:
    """0.8342 as 83.4 %."""
    return "not known" if value is None else f"{100 * value:.{digits}f}{NARROW}%"


def interval(bounds: tuple[float, float] | list[float] | None, digits: int = 1) -> str:
    """Two shares as 81.2 to 85.3 %."""
    if not bounds:
        return "not recorded"
    low, high = bounds
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f}{NARROW}%"


def score(value: float) -> str:
    """A metric to three places."""
    return f"{value:.3f}"


def value(written: Any) -> str:
    """A setting or a feature's value."""
    if written is None:
        return "none"
    if isinstance(written, bool):
        return "true" if written else "false"
    return f"{written:,.6g}" if isinstance(written, float) else str(written)


def settings(params: Mapping[str, Any]) -> str:
    """Settings in one line."""
    return ", ".join(f"{name} {value(each)}" for name, each in sorted(params.items())) or "its own defaults"


def moment(when: datetime | None) -> str:
    """A time to the minute, in UTC."""
    return f"{timezone.localtime(when):%Y-%m-%d %H:%M} UTC" if when else "not yet"


def size(count: int) -> str:
    """A number of bytes."""
    if count < KIBIBYTE:
        return f"{count} bytes"
    power = min(int(math.log(count, KIBIBYTE)), 3)
    return f"{count / KIBIBYTE**power:.1f}{NARROW}{('KiB', 'MiB', 'GiB')[power - 1]}"


def count(number: int, one: str, many: str = "") -> str:
    """1 row, 2 rows."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def milliseconds(bound: float) -> str:
    """A bound of the latency counts."""
    return f"{bound:g}{NARROW}ms" if bound < 1_000 else f"{bound / 1_000:g}{NARROW}s"  # noqa: PLR2004
