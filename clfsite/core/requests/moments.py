"""Dates and times of callers: only ISO 8601, because 11/12/2026 is ambiguous."""

import re
from datetime import UTC, datetime

FORM = "a date or time such as 2026-07-31, 2026-07-31T14:30 or 2026-07-31T14:30:00+02:00"
_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)


def read_moment(text: str) -> datetime:
    """Return the time in UTC. Without a time zone it is UTC; a date means its first moment.

    Raises:
        ValueError: invalid date or time; the message says what is expected.
    """
    # a plus sign in an address stands for a space
    written = re.sub(r" (\d{2}:?\d{2})$", r"+\1", text.strip()) if text.count(":") > 1 else text.strip()
    try:
        if not _ISO.fullmatch(written):
            raise ValueError
        moment = datetime.fromisoformat(written.replace(",", "."))
    except ValueError as error:
        raise ValueError(f'expected {FORM}, got "{text[:60]}"') from error
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # in UTC it is before the first or after the last year of datetime
        return datetime.min.replace(tzinfo=UTC) if moment.year == 1 else datetime.max.replace(tzinfo=UTC)
