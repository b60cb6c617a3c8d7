"""Template filters for the values of a table."""

from collections.abc import Sequence
from typing import Any

from django import template

from training.ml.tables.contract import Feature
from training.ml.tables.digits import apart, exact

register = template.Library()
register.filter("shown", exact)


@register.filter
def span(feature: Feature) -> str:
    """Return the range of a number or a date in training."""
    return " to ".join(feature.span)


@register.filter
def spread(quantiles: Sequence[Any]) -> str:
    """Return the range and the median of a column of numbers or dates."""
    shown = quantiles[0], quantiles[2], quantiles[4]
    low, median, high = shown if isinstance(shown[0], str) else apart(*shown)
    return f"{low} to {high}, median {median}"
