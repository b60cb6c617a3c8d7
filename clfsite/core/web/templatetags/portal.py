"""Template filters for numbers and lookups."""

import json
import re
import uuid
from typing import Any

from django import template
from django.utils.html import escape, format_html, format_html_join

from clfsite.core.web import numbers
from clfsite.core.web.sent_forms import FIELD

register = template.Library()

# Browsers break a line after a hyphen between digits.
DATE = re.compile(r"(\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d\.\d+)")


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
def whole(text: Any) -> str:
    """A text with its dates in elements that keep them in one line."""
    parts = DATE.split(str(text))
    dates = zip(parts[::2], parts[1::2], strict=False)
    return format_html_join("", '{}<span class="whole">{}</span>', dates) + escape(parts[-1])


@register.filter
def lookup(mapping: dict[str, Any], key: str) -> Any:
    """The value of a key that is a template variable."""
    return mapping.get(key)
