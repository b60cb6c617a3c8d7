"""Template filters for numbers and lookups."""

import json
import uuid
from typing import Any

from django import template
from django.utils.html import format_html

from clfsite.core.web import numbers
from clfsite.core.web.sent_forms import FIELD

register = template.Library()


@register.simple_tag
def once() -> str:
    """A hidden field that makes a form execute only once, even if its button is clicked several times."""
    return format_html('<input type="hidden" name="{}" value="{}">', FIELD, uuid.uuid4())


for written in (
    numbers.amount,
    numbers.percent,
    numbers.signed,
    numbers.points,
    numbers.milliseconds,
    numbers.duration,
    numbers.roughly,
):
    register.filter(written)


@register.filter
def as_json(value: Any) -> str:
    """A value as JSON for the API."""
    return json.dumps(value, ensure_ascii=False)


@register.filter
def lookup(mapping: dict[str, Any], key: str) -> Any:
    """The value of a key that is a template variable."""
    return mapping.get(key)
