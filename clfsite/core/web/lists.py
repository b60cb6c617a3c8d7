"""Sorting of lists by the columns that a page allows, and pagination of the API."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from django.core import signing
from django.db.models import F, Model, Q, QuerySet
from django.http import HttpRequest
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from clfsite.core.errors import Malformed
from clfsite.core.requests.members import shorten

M = TypeVar("M", bound=Model)


def sorted_by(
    rows: QuerySet[M],
    request: HttpRequest,
    columns: Mapping[str, list[str]],
    *,
    first: str,
    within: str = "",
) -> tuple[str, QuerySet[M]]:
    """Return the order of ?sort= and the sorted rows.

    Args:
        columns: the values of ?sort=, with the fields of each.
        first: the default order; a leading minus reverses it.
        within: the field of groups, if rows are grouped.
    """
    asked = request.GET.get("sort", "")
    sort = asked if asked.removeprefix("-") in columns else first
    fields = [F(name) for name in columns[sort.removeprefix("-")]]
    # nulls are last in both orders, on both databases
    order = [
        field.desc(nulls_last=True) if sort.startswith("-") else field.asc(nulls_last=True)
        for field in fields
    ]
    return sort, rows.order_by(*filter(None, [within]), *order, "-pk")


def archived_apart(rows: QuerySet[M], request: HttpRequest, *owners: str) -> tuple[bool, QuerySet[M]]:
    """Return whether ?archived=1 asks for archived rows, and those rows or the others.

    Args:
        owners: fields of rows whose archiving hides these rows too.
    """
    shown = Q(archived_at=None, **{f"{owner}__archived_at": None for owner in owners})
    is_archive = request.GET.get("archived") == "1"
    return is_archive, rows.filter(~shown if is_archive else shown)


class NewestFirst(CursorPagination):
    """Newest first; ids grow with time, those of predictions included (UUIDv7).

    A cursor is signed for its list, because DRF would pass forged cursors to the database.
    """

    ordering = "-id"
    page_size = 50
    max_page_size = 500
    page_size_query_param = "page_size"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """Return a page.

        Raises:
            Malformed: an invalid cursor or an invalid number of rows.
        """
        self._salt = f"cursor of {queryset.model._meta.label_lower}"
        return super().paginate_queryset(queryset, request, view)

    def get_page_size(self, request: Request) -> int:
        given = request.query_params.get(self.page_size_query_param)
        if given is None:
            return self.page_size
        if not re.fullmatch("[0-9]{1,9}", given) or not 0 < int(given) <= self.max_page_size:
            raise _refused(
                "page_size", f'expected a whole number from 1 to {self.max_page_size}, got "{shorten(given)}"'
            )
        return int(given)

    def decode_cursor(self, request: Request) -> Cursor | None:
        given = request.query_params.get(self.cursor_query_param)
        if given is None:
            return None
        try:
            return Cursor(*signing.loads(given, salt=self._salt))
        except signing.BadSignature as error:
            raise _refused(
                "cursor", "invalid cursor; use next or previous of an answer of this list"
            ) from error

    def encode_cursor(self, cursor: Cursor) -> str:
        token = signing.dumps([cursor.offset, cursor.reverse, cursor.position], salt=self._salt)
        return replace_query_param(self.base_url or "", self.cursor_query_param, token)


PAGING = (NewestFirst.cursor_query_param, NewestFirst.page_size_query_param)


def _refused(name: str, message: str) -> Malformed:
    return Malformed(f"{name}: {message}", [{"field": name, "code": "invalid", "message": message}])
