"""What services refuse, in the words a person reads; `clfsite.core.web.problems` gives each its HTTP status."""

from collections.abc import Sequence
from typing import Any


class Refused(Exception):
    """The request cannot be carried out as asked; nothing was changed.

    `errors` says where, one mapping per fault: `row` and `feature` of a record, or `line` and `column` of a file.
    `count` is how many faults there are where `errors` holds the first of them alone.
    """

    def __init__(self, message: str, errors: Sequence[dict[str, Any]] = (), count: int = 0) -> None:
        super().__init__(message)
        self.errors = list(errors)
        self.count = max(count, len(self.errors))


class Malformed(Refused):
    """The request is not of the documented shape."""


class NotFound(Refused):
    """There is no such thing."""


class Conflict(Refused):
    """It clashes with the present state."""


class TooLarge(Refused):
    """More than a setting allows."""


class InvalidInput(Refused):
    """The values were read and refused."""


class Unavailable(Refused):
    """It cannot be done now; trying again in a moment makes sense."""
