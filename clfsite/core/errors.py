"""What services refuse, in the words a person reads; `clfsite.core.web.problems` gives each its HTTP status."""

from collections.abc import Sequence
from typing import Any


class ProblemError(Exception):
    """The request cannot be carried out as asked; nothing was changed.

    `errors` says where, one mapping per problem: `row` and `feature` of a record, or `line` and `column` of a file.
    `count` is how many problems there are where `errors` holds the first of them alone.
    """

    def __init__(self, message: str, errors: Sequence[dict[str, Any]] = (), count: int = 0) -> None:
        super().__init__(message)
        self.errors = list(errors)
        self.count = max(count, len(self.errors))


class Malformed(ProblemError):
    """The request is not of the documented shape."""


class NotFound(ProblemError):
    """There is no such thing."""


class Conflict(ProblemError):
    """It clashes with the present state."""


class TooLarge(ProblemError):
    """More than a setting allows."""


class InvalidInput(ProblemError):
    """The values were read and refused."""


class Unavailable(ProblemError):
    """It cannot be done now; trying again in a moment makes sense."""
