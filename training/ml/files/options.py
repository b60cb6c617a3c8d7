"""How a file is to be read, where a user says it instead of leaving it to recognition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from training.ml.files.reading import DELIMITERS, TableError
from training.ml.tables.quoting import quote

DELIMITER_NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "blank": " ", "\\t": "\t"}
DECIMALS = {"point": ".", "comma": ","}
# short forms of the usual formats of dates
DATES = {
    "d/m/y": "%d/%m/%Y",
    "m/d/y": "%m/%d/%Y",
    "d.m.y": "%d.%m.%Y",
    "d-m-y": "%d-%m-%Y",
    "m-d-y": "%m-%d-%Y",
    "y-m-d": "ISO8601",
    "iso": "ISO8601",
    "epoch": "epoch",
    "epoch_ms": "epoch_ms",
}
LONGEST = 100  # characters of a mark or a format
MOST = 1_000  # marks or columns


@dataclass(frozen=True)
class Options:
    """What is known about a file; empty values are recognised.

    Attributes:
        delimiter: the character between cells.
        encoding: a name that Python knows, such as "cp1252".
        decimal: the decimal mark, "." or ",".
        missing: texts that mean a missing value in every column.
        keep: texts such as NA that are values, in every column.
        sheet: the name of a sheet, or its number from 1.
        dates: by column the format of its dates, as for `strptime`.

    Raises:
        TableError: a value is not allowed.
    """

    delimiter: str = ""
    encoding: str = ""
    decimal: str = ""
    missing: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    sheet: str = ""
    dates: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "delimiter", DELIMITER_NAMES.get(self.delimiter, self.delimiter))
        object.__setattr__(self, "decimal", DECIMALS.get(self.decimal, self.decimal))
        object.__setattr__(self, "dates", {name: _format(name, date) for name, date in self.dates.items()})
        if self.delimiter not in {"", *DELIMITERS, " "}:
            raise TableError(
                f"the delimiter cannot be {quote(self.delimiter)}; expected one of "
                f"{', '.join(name for name in DELIMITER_NAMES if name.isalpha())}"
            )
        if self.decimal not in {"", ".", ","}:
            raise TableError(f"the decimal mark cannot be {quote(self.decimal)}; expected a point or a comma")
        if self.encoding and not _is_text_encoding(self.encoding):
            raise TableError(
                f"there is no encoding {quote(self.encoding)}; expected a name such as utf-8, cp1252 or utf-16"
            )
        for marks in (self.missing, self.keep):
            if len(marks) > MOST or any(len(mark) > LONGEST for mark in marks):
                raise TableError(f"expected at most {MOST:,} marks with at most {LONGEST} characters")
        both = sorted({*self.missing} & {*self.keep})
        if both:
            raise TableError(f"{quote(both[0])} cannot both mean a missing value and be a value")

    def __bool__(self) -> bool:
        return bool(self.to_dict())

    @classmethod
    def of(
        cls,
        *,
        dates: Sequence[str] = (),
        missing: Sequence[str] = (),
        keep: Sequence[str] = (),
        **texts: str | None,
    ) -> Self:
        """Return the options of a form or a command line, in which a date is COLUMN=FORMAT.

        Raises:
            TableError: a value is not allowed.
        """
        formats = {}
        for given in dates:
            name, mark, date = given.rpartition("=")
            if not mark or not name:
                raise TableError(
                    f"expected COLUMN=FORMAT such as joined=d/m/y for a date, got {quote(given)}"
                )
            formats[name] = date
        known = {name: text or "" for name, text in texts.items()}
        return cls(dates=formats, missing=tuple(missing), keep=tuple(keep), **known)

    def to_dict(self) -> dict[str, Any]:
        """Return the options that are set, as JSON values."""
        values = {
            **vars(self),
            "missing": list(self.missing),
            "keep": list(self.keep),
            "dates": dict(self.dates),
        }
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(**{**data, "missing": tuple(data.get("missing", ())), "keep": tuple(data.get("keep", ()))})


def _format(name: str, date: str) -> str:
    known = DATES.get(date.strip().lower(), date)
    if known in DATES.values() or (0 < len(known) <= LONGEST and "%" in known):
        return known
    raise TableError(
        f"the dates of {quote(name)} cannot be {quote(date)}; expected one of {', '.join(DATES)}, or a format such as "
        "%d %b %Y"
    )


def _is_text_encoding(name: str) -> bool:
    try:
        return isinstance(b"a".decode(name), str)
    except UnicodeDecodeError:  # encodings of several bytes for a letter
        return True
    except (LookupError, ValueError):
        return False


AUTOMATIC = Options()
