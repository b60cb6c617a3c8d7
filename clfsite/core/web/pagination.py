"""Paging by key: as fast on the last page as on the first, and never a COUNT."""

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """Newest first; ids grow with time, those of predictions included (UUIDv7)."""

    ordering = "-id"
    page_size = 50
    max_page_size = 500
    page_size_query_param = "page_size"
