"""Dates of a column: which format they have, and their values."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.ml.files.notation import EARLIEST, LATEST, date_formats

_UNITS: dict[str, Literal["s", "ms"]] = {"epoch": "s", "epoch_ms": "ms"}


def decide_date(texts: Sequence[str], name: str) -> tuple[str, ...]:
    """Return the formats in which all texts are dates: none, one, or two if day and month may be swapped."""
    if not texts:
        return ()
    formats = [date for date in date_formats(texts[0], name) if parse(texts, date).notna().all()]
    if formats and formats[0] in _UNITS:
        seconds = pd.to_numeric(pd.Series(texts)) / (1 if formats[0] == "epoch" else 1000)
        return tuple(formats) if seconds.between(EARLIEST, LATEST).all() else ()
    if len(formats) == 2 and "." in formats[0]:  # noqa: PLR2004
        return (formats[0],)  # points stand between day and month only where the day comes first
    return tuple(formats)


def parse(texts: Sequence[str], date: str) -> "pd.Series[pd.Timestamp]":
    """Return the times of texts, in UTC and without a zone; NaT where a text is not a date in this format."""
    stripped = pd.Series(texts, dtype="str").str.strip()
    if date in _UNITS:
        numbers = pd.to_numeric(stripped, errors="coerce")
        times = pd.to_datetime(numbers, unit=_UNITS[date], errors="coerce", utc=True)
    else:
        times = pd.to_datetime(stripped, format=date, errors="coerce", utc=True)
    return times.dt.tz_localize(None)


def is_of_days(column: "pd.Series[pd.Timestamp]") -> bool:
    """Return whether all times of a column are at midnight."""
    return bool((column.dropna().dt.normalize() == column.dropna()).all())


def texts(times: "pd.Series[pd.Timestamp]", column: "pd.Series[pd.Timestamp]") -> list[str]:
    """Return times in ISO 8601: only the day if all times of the column are at midnight."""
    is_day = is_of_days(column)
    return [time.strftime("%Y-%m-%d") if is_day else time.isoformat() for time in times]


def days(times: "pd.Series[pd.Timestamp]") -> NDArray[np.float64]:
    """Return times as days since 1970; NaN if missing."""
    return np.asarray((times - pd.Timestamp(0)) / pd.Timedelta(days=1), dtype=np.float64)


def iso(times: "pd.Series[pd.Timestamp]") -> "pd.Series[str]":
    """Return times as texts in ISO 8601: only the day where all are at midnight."""
    if is_of_days(times):
        return times.dt.strftime("%Y-%m-%d")
    has_fraction = bool((times.dropna().dt.microsecond != 0).any())
    return times.dt.strftime("%Y-%m-%dT%H:%M:%S.%f" if has_fraction else "%Y-%m-%dT%H:%M:%S")
