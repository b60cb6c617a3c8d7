"""The notation of a column: how its numbers, dates and missing values are written.

The one module that decides it. Every file is read as text first; a column is then read in one notation, which is stated,
can be corrected, and is applied to every later file for the same classifier.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from training.ml.tables.digits import EXACT

# these texts mean a missing value in every column, because no one uses them as a value
ALWAYS_MISSING = frozenset(
    [
        "", "#DIV/0!", "#N/A", "#N/A N/A", "#NA", "#NUM!", "#REF!", "#VALUE!", "-1.#IND", "-1.#QNAN", "-NaN", "-nan",
        "1.#IND", "1.#QNAN", "<NA>", "NaN", "nan", "\\N",
    ]
)  # fmt: skip
# these mean one among numbers, and in a column of texts if the file marks missing numbers with them
OFTEN_MISSING = frozenset(["N/A", "NA", "NULL", "None", "n/a", "null"])
# these mean one only among numbers or dates, without regard to case
AMONG_NUMBERS = frozenset(
    [
        "", "-", "--", "---", ".", "..", "...", "?", "??", "*", "\u2013", "\u2014", "(null)", "n.a.", "k.a.", "k. a.", "nil", "none",
        "missing", "unknown", "unbekannt", "inconnu", "not available", "not applicable", "no data", "nodata", "tbd",
    ]
)  # fmt: skip
# share of numbers from which the texts in a column count as typing errors instead of categories
MOSTLY_NUMBERS = 0.9
# a text in a column of numbers that is repeated at least so often is a mark; typing errors are not repeated
REPEATED = 3
MOST_MARKS = 2
# the attribute of a frame with the notations of its columns, as JSON values by name
NOTATIONS = "notations"
_BLANKS = " \t\u00a0\u2007\u2009\u202f"
_MINUS = "\\-\u2212\u2013"
_SYMBOLS = "$€£¥₹₽₩₺₪₫₴₦฿¢%‰°"
_CURRENCIES = (
    "AED|ARS|AUD|BGN|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KES|KRW|MXN|MYR|NGN|NOK|NZD|PEN|"
    "PHP|PKR|PLN|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR"
)
_PREFIX = rf"(?:US|A|C|HK|NZ|R|S)?[{re.escape(_SYMBOLS)}]|{_CURRENCIES}|Rs\.?|kr\.?|Fr\.?|zł"
_SHAPE = re.compile(
    rf"(?P<open>\()?[{_BLANKS}]*(?P<sign>[+{_MINUS}])?[{_BLANKS}]*(?P<prefix>{_PREFIX})?[{_BLANKS}]*(?P<inner>[+{_MINUS}])?"
    rf"(?P<body>[.,]?[0-9](?:[0-9.,'\u2019{_BLANKS}]*[0-9])?[.,]?)(?P<exponent>[eE][+-]?[0-9]{{1,3}})?"
    rf"[{_BLANKS}]*(?P<suffix>[{re.escape(_SYMBOLS)}]|[^\W\d_][^\d(){_BLANKS}]{{0,11}})?(?P<trail>[{_MINUS}])?[{_BLANKS}]*"
    r"(?P<close>\))?"
)
_UNIT = re.compile(
    rf"{_PREFIX}|kg|g|mg|t|lb|lbs|oz|km|m|cm|mm|mi|ft|in|l|ml|h|min|s|ms|days?|years?|months?|weeks?",
    re.IGNORECASE,
)
_POINT_DECIMAL, _COMMA_DECIMAL = re.compile(r"\d*\.\d*"), re.compile(r"\d*,\d*")
# Groups of three digits, or of two as in India; the first one does not begin with a zero.
_GROUPED = {
    mark: re.compile(
        rf"[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+|[1-9]\d?(?:{re.escape(mark)}\d\d)+{re.escape(mark)}\d{{3}}"
    )
    for mark in ",. '"
}
_DIGITS = re.compile(r"\d+")
# digits of every whole number that a float holds exactly, and those of numbers that Python converts
_EXACT_DIGITS, MAX_DIGITS = 15, 1_000
# numbers that no model can use
_INFINITE = frozenset(["inf", "infinity"])
_TITLES = {",": "a comma", ".": "a point", " ": "a blank", "'": "an apostrophe"}


@dataclass(frozen=True)
class Notation:
    """How the values of a column are written; a plain one has all defaults.

    Attributes:
        decimal: the decimal mark, "." or ","; ".," if a column has both and every value can be read in only one way.
        thousands: the mark between thousands, or "".
        unit: written before or after the numbers, such as "$", "kg" or "%"; it is not part of the value.
        missing: the texts that mean a missing value, besides empty cells.
        date: the format of dates as for `strptime`, or "ISO8601", "epoch" (seconds since 1970) or "epoch_ms".
        is_certain: whether the values themselves decide the decimal mark; not part of the notation.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    missing: tuple[str, ...] = ()
    date: str = ""
    is_certain: bool = field(default=False, compare=False)

    def number(self, cell: str) -> str | None:
        """Return a number in plain notation, as JSON has it; None if the cell is not a number in this notation."""
        read = _read(cell)
        if read is None or (read.unit and read.unit != self.unit):
            return None
        if self.decimal == ".,":
            return read.plain(*read.readings[0]) if len(read.readings) == 1 else None
        for decimal, thousands in read.readings:
            if decimal in {self.decimal, ""} and thousands in {"", self.thousands}:
                return read.plain(decimal, thousands)
        return None

    def is_missing(self, cell: str) -> bool:
        """Return whether a cell is empty or a mark of this notation."""
        text = cell.strip()
        return not text or text in self.missing

    def describe(self) -> str:
        """Say what was recognised besides marks for missing values, "" if it is plain."""
        if self.date:
            return f"dates, {format_title(self.date)}"
        parts = []
        if self.decimal == ",":
            parts.append("with a decimal comma")
        elif self.decimal == ".,":
            parts.append("with decimal commas and decimal points")
        if self.thousands:
            parts.append(f"with {_TITLES[self.thousands]} between thousands")
        if self.unit:
            parts.append(f"in {self.unit}")
        return f"numbers {', '.join(parts)}" if parts else ""

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from a plain notation, as JSON values."""
        plain = Notation()
        values = {
            "decimal": self.decimal,
            "thousands": self.thousands,
            "unit": self.unit,
            "missing": self.missing,
            "date": self.date,
        }
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value != getattr(plain, name)
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(**{**data, "missing": tuple(data.get("missing", ()))})


PLAIN = Notation()


def format_title(date: str) -> str:
    """Return a format of dates in words: "%d/%m/%Y" becomes "day/month/year"."""
    titles = {"ISO8601": "ISO 8601", "epoch": "seconds since 1970", "epoch_ms": "milliseconds since 1970"}
    if date in titles:
        return titles[date]
    words = {
        "%d": "day", "%m": "month", "%Y": "year", "%y": "year of two digits", "%b": "month's name", "%B": "month's name",
        "%H": "hour", "%M": "minute", "%S": "second", "%I": "hour", "%p": "am or pm", "%f": "fraction", "%z": "zone",
    }  # fmt: skip
    return re.sub(r"%\w", lambda code: words.get(code[0], code[0]), date)


@dataclass(frozen=True)
class _Number:
    """A cell with the shape of a number, and the (decimal mark, mark of thousands) with which it can be read."""

    negative: bool
    body: str
    exponent: str
    unit: str
    readings: tuple[tuple[str, str], ...]

    def plain(self, decimal: str, thousands: str) -> str:
        body = self.body.replace(thousands, "") if thousands else self.body
        whole, _, fraction = body.partition(decimal) if decimal else (body, "", "")
        text = (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "") + self.exponent
        return f"-{text}" if self.negative else text


def _read(cell: str) -> _Number | None:
    match = _SHAPE.fullmatch(cell.strip(_BLANKS))
    if match is None or bool(match["open"]) != bool(match["close"]):
        return None
    signs = [sign for sign in (match["sign"], match["inner"], match["trail"]) if sign]
    units = [unit for unit in (match["prefix"], match["suffix"]) if unit]
    if len(signs) > 1 or len(units) > 1 or (signs and match["open"]):
        return None
    body = re.sub(rf"[{_BLANKS}]", " ", match["body"]).replace("\u2019", "'")
    readings = tuple(_readings(body))
    if not readings:
        return None
    negative = bool(match["open"]) or (bool(signs) and signs[0] != "+")
    return _Number(negative, body, (match["exponent"] or "").lower(), units[0] if units else "", readings)


def _readings(body: str) -> Iterator[tuple[str, str]]:
    """Yield each (decimal mark, mark of thousands) with which digits and marks are a number."""
    if _DIGITS.fullmatch(body):
        yield "", ""
        return
    if _POINT_DECIMAL.fullmatch(body):
        yield ".", ""
    if _COMMA_DECIMAL.fullmatch(body):
        yield ",", ""
    for thousands, pattern in _GROUPED.items():
        if pattern.fullmatch(body):
            yield "", thousands
        for decimal in ".,":
            whole, mark, fraction = body.rpartition(decimal)
            if mark and thousands != decimal and pattern.fullmatch(whole) and fraction.isdecimal():
                yield decimal, thousands


class MixedError(ValueError):
    """A column mixes notations, so that values can be read in two ways; `cells` holds some of them."""

    def __init__(self, message: str, cells: list[str]) -> None:
        self.cells = cells
        super().__init__(message)


@dataclass
class Evidence:
    """What a file says about marks: found in some columns, it decides what others leave open.

    Attributes:
        decimal: the decimal mark that values of the file can only have.
        marks: the texts that mark missing numbers.
    """

    decimal: str = ""
    marks: set[str] = field(default_factory=set)


def decide_number(
    counts: Mapping[str, int],
    *,
    delimiter: str,
    evidence: Evidence,
    marks: Collection[str] = (),
    decimal: str = "",
    must: bool = False,
) -> Notation | None:
    """Return the notation of a column if it holds numbers, else None.

    Args:
        counts: how often the column has each cell.
        delimiter: of the file.
        marks: texts that are known to mean missing values in the file.
        decimal: the decimal mark if it is known, else "".
        must: whether the column holds numbers by choice; then texts among them are errors.

    Raises:
        MixedError: values can be read in two ways.
    """
    numbers: dict[str, _Number] = {}
    others: Counter[str] = Counter()
    found = 0
    for cell, count in counts.items():
        text = cell.strip()
        if text.lower().lstrip("+-") in _INFINITE:
            found += count
        elif text in marks:
            others[cell] = count
        elif read := _read(text):
            numbers[cell] = read
        elif text:
            others[cell] = count
    if not numbers or (not must and any(is_code(cell.strip()) for cell in numbers)):
        return None
    found += sum(counts[cell] for cell in numbers)
    missing, strange = _split_marks(others, found, marks)
    units = {read.unit for read in numbers.values() if read.unit}
    if not must and _are_suffixes(numbers, counts):
        return None
    if not must and (len(units) > 1 or found / (found + strange.total()) < MOSTLY_NUMBERS):
        return None
    mark, thousands, is_certain = _decide_marks(numbers, delimiter, evidence, decimal)
    return Notation(mark, thousands, next(iter(units), ""), tuple(sorted(missing)), is_certain=is_certain)


def units_of(counts: Mapping[str, int]) -> list[str]:
    """Return the units of a column of numbers in several units; none if it holds anything else, or one unit."""
    numbers = {cell: read for cell in counts if (read := _read(cell.strip()))}
    found = sum(counts[cell] for cell in numbers)
    units = sorted({read.unit for read in numbers.values() if _UNIT.fullmatch(read.unit)})
    others = {read.unit for read in numbers.values()} - {*units, ""}
    total = sum(count for cell, count in counts.items() if cell.strip())
    return units if len(units) > 1 and not others and found >= MOSTLY_NUMBERS * total else []


def _are_suffixes(numbers: Mapping[str, _Number], counts: Mapping[str, int]) -> bool:
    """Return whether some numbers end in letters that are no unit, as house numbers do."""
    words = sum(
        counts[cell] for cell, read in numbers.items() if read.unit and not _UNIT.fullmatch(read.unit)
    )
    return 0 < words < MOSTLY_NUMBERS * sum(counts[cell] for cell in numbers)


def is_code(text: str) -> bool:
    """Return whether a text is a code of digits: it begins with a zero, or is too long for an exact number."""
    return text.isascii() and (is_too_long(text) or (text.isdecimal() and len(text) > 1 and text[0] == "0"))


def is_too_long(text: str) -> bool:
    """Return whether a text is a whole number of which a float would lose digits."""
    digits = text.strip().lstrip("-")
    return (
        len(digits) > _EXACT_DIGITS
        and digits.isdecimal()
        and (len(digits) > MAX_DIGITS or int(digits) > EXACT)
    )


def _split_marks(others: Counter[str], found: int, marks: Collection[str]) -> tuple[set[str], Counter[str]]:
    """Return the texts that mean a missing number, and the others with their counts."""
    missing, strange = set(), Counter[str]()
    for cell, count in others.items():
        text = cell.strip()
        if (
            text in ALWAYS_MISSING
            or text in OFTEN_MISSING
            or text in marks
            or text.casefold() in AMONG_NUMBERS
        ):
            missing.add(text)
        else:
            strange[cell] = count
    is_mark = strange and len(strange) <= MOST_MARKS and strange.total() < found
    if is_mark and all(
        count >= REPEATED and not any(map(str.isdigit, cell)) for cell, count in strange.items()
    ):
        return missing | {cell.strip() for cell in strange}, Counter()
    return missing, strange


def _decide_marks(
    numbers: Mapping[str, _Number], delimiter: str, evidence: Evidence, decimal: str
) -> tuple[str, str, bool]:
    """Return the decimal mark and the mark of thousands of a column, and whether its own values decide the former."""
    if not any(mark or group for read in numbers.values() for mark, group in read.readings):
        return ".", "", False
    certain: set[tuple[str, str]] = set()
    open_cells: dict[str, tuple[tuple[str, str], ...]] = {}
    for cell, read in numbers.items():
        if len(read.readings) == 1:
            certain |= set(read.readings)
        else:
            open_cells[cell] = read.readings
    decimals = {mark for mark, _ in certain if mark}
    # a mark between thousands cannot be the decimal mark as well
    decimals |= {"." if thousands == "," else "," for _, thousands in certain if thousands in {",", "."}}
    if len(decimals) > 1 and not decimal:
        if open_cells:
            raise MixedError(
                "the column has decimal commas and decimal points, so that these values can be read in two ways",
                list(open_cells),
            )
        grouped = {thousands for _, thousands in certain if thousands}
        if grouped:
            raise MixedError("the column mixes two notations of numbers", list(numbers))
        return ".,", "", False
    mark = decimal or next(iter(decimals), "") or evidence.decimal
    if not mark and open_cells:
        mark = _guess(open_cells, delimiter)
    mark = mark or "."
    thousands = {group for _, group in certain if group and group != mark}
    thousands |= {
        group
        for readings in open_cells.values()
        for point, group in readings
        if group and mark not in (point, group)
    }
    return mark, next(iter(sorted(thousands)), ""), len(decimals) == 1


def _guess(open_cells: Mapping[str, tuple[tuple[str, str], ...]], delimiter: str) -> str:
    """Return the decimal mark where all values can be read in two ways, such as 1,234 or 1.234."""
    if any((".", "") in readings for readings in open_cells.values()):
        return "."
    # a comma that separates cells is not a decimal mark as well
    return "." if delimiter == "," else ","


# the usual beginnings and ends of names of columns that hold times
_NAMES_OF_TIMES = re.compile(
    r"(^|[^a-z])(date|datum|time|timestamp|ts|epoch|at|on|day|created|updated|modified|joined|born|since|until)([^a-z]|$)"
)
_ISO = re.compile(
    r"\d{4}-\d\d?-\d\d?(?:[T ]\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?)?"
)
_CLOCK = re.compile(r"[T ,]+(\d\d?):\d\d(:\d\d)?(\.\d+)?( ?[AaPp][Mm])?$")
_NUMERIC_DATE = re.compile(r"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})")
_NAMED_DATE = (
    (re.compile(r"\d{1,2}([- ])[^\W\d_]{3}\1\d{4}"), "%d{0}%b{0}%Y"),
    (re.compile(r"\d{1,2}([- ])[^\W\d_]{3}\1\d{2}"), "%d{0}%b{0}%y"),
    (re.compile(r"\d{1,2}( )[^\W\d_]{4,}\1\d{4}"), "%d{0}%B{0}%Y"),
    (re.compile(r"[^\W\d_]{3}( )\d{1,2}, ?\d{4}"), "%b %d, %Y"),
    (re.compile(r"[^\W\d_]{4,}( )\d{1,2}, ?\d{4}"), "%B %d, %Y"),
)
# the years 2000 to 2040 as seconds since 1970
EARLIEST, LATEST = 946_684_800, 2_208_988_800


def date_formats(example: str, name: str) -> tuple[str, ...]:
    """Return the formats in which a text may be a date; none if it does not look like one.

    Args:
        name: of the column; digits alone are a date only if it speaks of a time.
    """
    text = example.strip()
    if _ISO.fullmatch(text):
        return ("ISO8601",)
    if _DIGITS.fullmatch(text):
        return _formats_of_digits(text) if speaks_of_time(name) else ()
    clock = _CLOCK.search(text)
    day, time = (text[: clock.start()], _clock_format(clock)) if clock else (text, "")
    if match := _NUMERIC_DATE.fullmatch(day):
        return tuple(date + time for date in _formats_of_parts(*match.groups()))
    for pattern, date in _NAMED_DATE:
        if match := pattern.fullmatch(day):
            return (date.format(match[1]) + time,)
    return ()


def _formats_of_digits(text: str) -> tuple[str, ...]:
    if len(text) == 8:  # noqa: PLR2004
        return ("%Y%m%d",)
    seconds = int(text)
    if EARLIEST <= seconds < LATEST:
        return ("epoch",)
    return ("epoch_ms",) if EARLIEST <= seconds / 1000 < LATEST else ()


def _formats_of_parts(first: str, mark: str, _: str, last: str) -> tuple[str, ...]:
    if len(first) == 4:  # noqa: PLR2004
        return (f"%Y{mark}%m{mark}%d",)
    year = {4: "%Y", 2: "%y"}.get(len(last))
    if year is None or len(first) > 2:  # noqa: PLR2004
        return ()
    return (f"%d{mark}%m{mark}{year}", f"%m{mark}%d{mark}{year}")


def speaks_of_time(name: str) -> bool:
    """Return whether a column's name says that it holds dates or times."""
    return bool(_NAMES_OF_TIMES.search(re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()))


def _clock_format(clock: re.Match[str]) -> str:
    between = re.match(r"[T ,]+", clock[0])
    hour = "%I" if clock[4] else "%H"
    return (
        f"{between[0] if between else ' '}{hour}:%M"
        + (":%S" if clock[2] else "")
        + (".%f" if clock[3] else "")
        + ("" if not clock[4] else f"{' ' if ' ' in clock[4] else ''}%p")
    )
