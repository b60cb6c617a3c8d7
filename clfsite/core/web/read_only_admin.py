"""Read-only rows of the administration; only services write them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_field
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

# smaller numbers would lose too many digits
SMALL = 0.001
NOTHING = "-"


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows to search and read."""

    # explains why the rows cannot be edited, and where to change them; shown above the list and the row
    note = ""
    # fields that are too large or confidential
    hidden: Sequence[str] = ()
    # the most important fields
    first: Sequence[str] = ()
    labels: Mapping[str, str] = {}
    # whether there is a button to the history of a row
    keeps_history = False

    def __init__(self, model: type[models.Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        names = [*self.first, *(field.name for field in self.opts.fields if field.name not in self.first)]
        # the same objects each time, because Django compares functions by identity
        self._shown = [self._readable(name) for name in names if name not in self.hidden]

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        return self._shown

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        return self._shown

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def _readable(self, name: str) -> str | Callable[[Any], str]:
        """The name of a field, or a function for values that Django would show as JSON, with 16 digits or as a code."""
        field = next((candidate for candidate in self.opts.fields if candidate.name == name), None)
        is_raw = isinstance(field, models.JSONField | models.FloatField)
        if field is None or not (is_raw or name in self.labels):
            return name

        @admin.display(description=self.labels.get(name, field.verbose_name))
        def show(row: Any) -> str:
            value = getattr(row, name)
            return as_table(value) if is_raw else str(display_for_field(value, field, NOTHING))

        show.__name__ = name
        return show


def as_table(value: Any) -> str:
    """A JSON value as nested tables."""
    if value in (None, "", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(round(value, 4)) if abs(value) >= SMALL else str(value)
    if isinstance(value, dict):
        return _of_rows(value) if _all(value.values(), dict) else _of_pairs(value)
    if isinstance(value, list) and _all(value, dict):
        return _of_rows(dict(enumerate(value, 1)))
    if isinstance(value, list) and _all(value, list):
        return _table(_rows([[as_table(cell) for cell in row] for row in value]))
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return _of_pairs(dict(enumerate(value, 1)))
    return ", ".join(as_table(item) for item in value) if isinstance(value, list) else str(value)


def _all(values: Any, kind: type) -> bool:
    return all(isinstance(value, kind) and value for value in values)


def _of_pairs(value: dict[Any, Any]) -> SafeString:
    rows = [(key, as_table(item)) for key, item in value.items()]
    return _table(format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', rows))


def _of_rows(value: dict[Any, dict[str, Any]]) -> SafeString:
    """A table with a row for each entry and a column for each key."""
    columns = list(dict.fromkeys(key for entry in value.values() for key in entry))
    head = format_html_join("", '<th scope="col">{}</th>', ((column,) for column in columns))
    body = format_html_join(
        "",
        '<tr><th scope="row">{}</th>{}</tr>',
        ((name, _cells([as_table(entry.get(key)) for key in columns])) for name, entry in value.items()),
    )
    return _table(format_html("<tr><td></td>{}</tr>{}", head, body))


def _rows(rows: Sequence[Sequence[str]]) -> SafeString:
    return format_html_join("", "<tr>{}</tr>", ((_cells(row),) for row in rows))


def _cells(cells: Sequence[str]) -> SafeString:
    return format_html_join("", "<td>{}</td>", ((cell,) for cell in cells))


def _table(rows: SafeString) -> SafeString:
    return format_html('<table class="values">{}</table>', rows)
