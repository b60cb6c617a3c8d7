"""Exceptions of services, with messages for people; `clfsite.core.web.problems` maps each to an HTTP status."""

from collections.abc import Sequence
from typing import Any


class ProblemError(Exception):
    """The request cannot be executed; nothing was changed.

    `errors` has one mapping per problem: `row` and `feature` of a record, or `line` and `column` of a file.
    `count` is the number of problems if `errors` has only the first ones. `code` stands for the kind of problem in the
    log.
    """

    code = "refused"

    def __init__(self, message: str, errors: Sequence[dict[str, Any]] = (), count: int = 0) -> None:
        super().__init__(message)
        self.errors = list(errors)
        self.count = max(count, len(self.errors))


class Malformed(ProblemError):
    """The request is not of the documented shape."""

    code = "malformed"


class NotFound(ProblemError):
    """The requested object does not exist."""

    code = "not_found"


class Conflict(ProblemError):
    """The request conflicts with the current state."""

    code = "conflict"


class TooLarge(ProblemError):
    """The request exceeds the limit of a setting."""

    code = "too_large"


class InvalidInput(ProblemError):
    """The values were read and refused."""

    code = "invalid_input"


class Unavailable(ProblemError):
    """The request cannot be executed now, but may succeed later."""

    code = "unavailable"


class TooSlow(ProblemError):
    """The request was not complete in time."""

    code = "too_slow"


class LengthRequired(ProblemError):
    """The request does not tell the length of its body."""

    code = "length_required"
