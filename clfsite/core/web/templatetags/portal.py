"""How templates write figures and look things up."""

import json
from typing import Any

from django import template

from clfsite.core.web import numbers

register = template.Library()
for written in (numbers.percent, numbers.signed, numbers.points, numbers.milliseconds, numbers.duration):
    register.filter(written)


@register.filter
def as_json(value: Any) -> str:
    """A value as a person would have to write it for the API."""
    return json.dumps(value, ensure_ascii=False)


@register.filter
def lookup(mapping: dict[str, Any], key: str) -> Any:
    """The value under a key that a template knows as a variable."""
    return mapping.get(key)
