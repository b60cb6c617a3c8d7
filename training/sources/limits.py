"""What limits a query, and how it is refused."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from clfsite.core.errors import InvalidInput

# names of the columns, then rows of cells; None is a missing value
Rows = Iterator[Sequence[Sequence[Any]]]


class QueryRefused(InvalidInput):
    """A query that was not executed or had no usable result; `field` is the part of the request to correct."""

    def __init__(self, field: Literal["source", "sql", "name", "target"], message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Deadline:
    """When a query has to be done.

    Attributes:
        seconds: that it may take.
    """

    seconds: float
    _start: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds that are left; 0 if none are."""
        return max(0.0, self._start + self.seconds - time.monotonic())

    @property
    def is_over(self) -> bool:
        return self.left <= 0

    def refusal(self) -> QueryRefused:
        """The error of a query that takes longer."""
        return QueryRefused(
            "sql",
            f"the query took longer than {self.seconds:,g} seconds (CLFSITE_SOURCE_SECONDS); select fewer rows, or ask "
            "the site's operator to raise the limit",
        )


SEVERAL = "expected one SELECT statement, got several statements or none; send them one by one"


def no_plain_value(column: str, kind: str, advice: str) -> QueryRefused:
    """The error of a column whose values cannot stand in a table."""
    return QueryRefused(
        "sql", f'the column "{column}" holds {kind}; expected one plain value in each row: {advice}'
    )
