"""Order lists as their headings ask, by columns that a page names and no others."""

from collections.abc import Mapping
from typing import TypeVar

from django.db.models import F, Model, QuerySet
from django.http import HttpRequest
from rest_framework.pagination import CursorPagination

M = TypeVar("M", bound=Model)


def sorted_by(
    rows: QuerySet[M],
    request: HttpRequest,
    columns: Mapping[str, list[str]],
    *,
    first: str,
    within: str = "",
) -> tuple[str, QuerySet[M]]:
    """Return the order asked for by ?sort= and the rows in it.

    Args:
        columns: what may be asked for, and the fields that each stands for.
        first: the order where the request asks for none that there is; a minus in front turns it round.
        within: the field of the groups that rows stay together in, where there are groups.
    """
    asked = request.GET.get("sort", "")
    sort = asked if asked.removeprefix("-") in columns else first
    fields = [F(name) for name in columns[sort.removeprefix("-")]]
    # what was never set stands at the end either way, on either database
    order = [
        field.desc(nulls_last=True) if sort.startswith("-") else field.asc(nulls_last=True)
        for field in fields
    ]
    return sort, rows.order_by(*filter(None, [within]), *order, "-pk")


class NewestFirst(CursorPagination):
    """Newest first; ids grow with time, those of predictions included (UUIDv7)."""

    ordering = "-id"
    page_size = 50
    max_page_size = 500
    page_size_query_param = "page_size"
