"""Template filters for the values of a table."""

from collections.abc import Sequence
from typing import Any

from django import template

from clfsite.core.web.numbers import percent
from training.ml.tables.contract import Feature
from training.ml.tables.digits import apart, exact
from training.ml.tables.shift import Shift

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


@register.filter
def then_and_now(shift: Shift) -> list[str]:
    """Return the middle of a column in the earlier and in the later table."""
    if isinstance(shift.then, str) or isinstance(shift.now, str):
        return [str(shift.then), str(shift.now)]
    if shift.value is not None:
        return [percent(shift.then), percent(shift.now)]
    then, *now = apart(shift.then, shift.now)
    return [then, *(now or [then])]
