"""Numbers of a table as texts: with all digits, or with enough digits to distinguish several of them."""

from typing import Any

# from here on floats have no fraction, and beyond it their last digits are rounded
EXACT = 2**53
# from here on Python writes floats with an exponent
LARGEST_PLAIN = 1e16
# from here on thousands are grouped; below, a whole number may be a year or a code
GROUPED = 10_000
# significant digits that are enough to distinguish any two floats
ALL = 17


def exact(value: Any) -> str:
    """Return a value as a person would write it, with all digits, so reading it back gives the same value."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def apart(*numbers: float, digits: int = 6) -> list[str]:
    """Return numbers as texts: whole ones in full, others with enough digits to distinguish different numbers.

    Args:
        digits: the least number of significant digits.
    """
    texts: list[str] = []
    for places in range(digits, ALL + 1):
        texts = [_rounded(number, places) for number in numbers]
        if len(set(texts)) >= len(set(numbers)):
            break
    return texts


def _rounded(number: float, digits: int) -> str:
    """Format a number, a large one with commas between thousands; digits before the decimal point are never rounded."""
    if isinstance(number, int) or (number.is_integer() and abs(number) < LARGEST_PLAIN):
        return f"{int(number):{_mark(number)}}"
    before = len(str(abs(int(number)))) if abs(number) < EXACT else 0
    text = repr(float(f"{number:.{max(digits, before)}g}")).removesuffix(".0")
    if "e" in text:
        return text
    return f"{float(text):{_mark(float(text))}.{len(text.partition('.')[2])}f}"


def _mark(number: float) -> str:
    """Return the mark between the thousands of a number."""
    return "," if abs(number) >= GROUPED else ""
