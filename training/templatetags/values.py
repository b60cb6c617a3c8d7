"""Template filters for the values of a table."""

from collections.abc import Sequence

from django import template

from training.ml.tables.contract import Feature
from training.ml.tables.digits import apart, exact

register = template.Library()
register.filter("shown", exact)


@register.filter
def span(feature: Feature) -> str:
    """Return the range of a number in training."""
    return " to ".join(apart(feature.low or 0, feature.high or 0))


@register.filter
def spread(quantiles: Sequence[float]) -> str:
    """Return the range and the median of a column of numbers."""
    low, median, high = apart(quantiles[0], quantiles[2], quantiles[4])
    return f"{low} to {high}, median {median}"
