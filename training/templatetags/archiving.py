"""The card that archives, restores or deletes the row of a page."""

from typing import Any

from django import template
from django.urls import reverse

from training.archive import service

register = template.Library()


@register.inclusion_tag("training/archive/_archive.html", takes_context=True)
def archive_card(context: template.Context, row: service.Row) -> dict[str, Any]:
    """The buttons that this person may use on a classifier, a dataset, a run or a version."""
    may = context["user"].has_perm(service.NEEDS[type(row)])
    return {
        "may": may,
        "row": row,
        "address": reverse(f"training:{row._meta.model_name}-archive", args=[row.pk]),
        "kept": service.why_kept(row) if may and row.archived_at else "",
        "csrf_token": context.get("csrf_token"),
    }
