"""How the portal writes numbers and names."""

import json
from typing import Any

from django import template

MINUTE, HOUR = 60, 3_600

register = template.Library()


@register.filter
def percent(share: float) -> str:
    """0.8342 as 83.4 %; what is not quite 0 or 1 does not read as if it were."""
    if 0 < share < 0.001:  # noqa: PLR2004
        return "< 0.1\u202f%"
    if 0.999 < share < 1:  # noqa: PLR2004
        return "> 99.9\u202f%"
    return f"{100 * share:.1f}\u202f%"


@register.filter
def signed(difference: float) -> str:
    """A difference with its sign, to three places; what rounds to nothing has both."""
    if not round(difference, 3):
        return "±0.000"
    return f"{difference:+.3f}".replace("-", "\u2212")


@register.filter
def milliseconds(value: float) -> str:
    """A latency to two places that say something."""
    if value < 1:
        return f"{value:.2g}"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"  # noqa: PLR2004


@register.filter
def points(difference: float) -> str:
    """A difference of two shares in points of a percent, with its sign."""
    rounded = round(100 * difference, 1)
    if not rounded:
        return "unchanged"
    return f"{rounded:+.1f}\u202fpoints".replace("-", "\u2212")


@register.filter
def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    if seconds < MINUTE:
        return f"{seconds:.{1 if seconds >= 1 else 2}f}\u202fs"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE}\u202fmin {whole % MINUTE}\u202fs"
    return f"{whole // HOUR:,}\u202fh {whole % HOUR // MINUTE}\u202fmin"


@register.filter
def shown(value: Any) -> str:
    """A feature's value as a person would write it."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


@register.filter
def as_json(value: Any) -> str:
    """A value as a person would have to write it for the API."""
    return json.dumps(value, ensure_ascii=False)


@register.filter
def lookup(mapping: dict[str, Any], key: str) -> Any:
    """The value under a key that a template knows as a variable."""
    return mapping.get(key)
