"""Dates and times of rows: texts in ISO 8601 or in the format of the training table, as moments in UTC."""

import math
import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

# seconds of a unit of the formats that are numbers
UNITS = {"epoch": 1.0, "epoch_ms": 0.001}
ISO = "ISO8601"
_ISO_TEXT = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  moments have no zone, because arrays have none


def read(value: Any, date_format: str = "") -> datetime | None:
    """Return the moment of a JSON value, in UTC and without a zone, or None if it is no date.

    Args:
        value: a text in ISO 8601, with or without a time and a zone, or in the format; a number only for `epoch`, seconds
            since 1970, and `epoch_ms`.
        date_format: a notation's, as for `strptime`, or "ISO8601", "epoch" or "epoch_ms".
    """
    if isinstance(value, str):
        text = value.strip()
        if _ISO_TEXT.fullmatch(text):
            return _read_iso(text)
        if date_format in UNITS:
            return _read_number(text, UNITS[date_format])
        return _read_format(text, date_format) if date_format not in {"", ISO} else None
    if date_format in UNITS and isinstance(value, int | float) and not isinstance(value, bool):
        return _read_number(value, UNITS[date_format])
    return None


def write(moment: datetime, *, has_time: bool = False) -> str:
    """Return a moment in ISO 8601: only the day at midnight, unless a time is wanted."""
    is_day = moment.time() == time() and not has_time
    return moment.date().isoformat() if is_day else moment.isoformat()


def at(since_1970: float) -> datetime:
    """Return the moment so many seconds after 1970, in UTC."""
    return EPOCH + timedelta(seconds=since_1970)


def seconds(moment: datetime) -> float:
    """Return the seconds since 1970 of a moment in UTC."""
    return (moment - EPOCH).total_seconds()


def _read_iso(text: str) -> datetime | None:
    try:
        return _in_utc(
            datetime.fromisoformat(
                text.replace(" UTC", "Z").replace("UTC", "Z").replace(" +", "+").replace(" -", "-")
            )
        )
    except (ValueError, OverflowError):
        return None


def _read_format(text: str, date_format: str) -> datetime | None:
    try:
        return _in_utc(datetime.strptime(text, date_format))  # noqa: DTZ007  most formats have no zone
    except (ValueError, OverflowError):
        return None


def _read_number(value: str | float, seconds: float) -> datetime | None:
    try:
        number = float(value)
        return EPOCH + timedelta(seconds=number * seconds) if math.isfinite(number) else None
    except (ValueError, OverflowError):
        return None


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
