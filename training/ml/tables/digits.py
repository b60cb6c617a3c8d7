"""Numbers of a table as texts: with all their digits, or with as many as tell several of them apart."""

from typing import Any

# beyond it a float holds no digit after the point, and its last ones before it are not its own
EXACT = 2**53
# from here on a float is written with an exponent
LARGEST_PLAIN = 1e16
# significant digits that tell any two floats apart
ALL = 17


def exact(value: Any) -> str:
    """A value as a person would write it, digit for digit: what is read back is the same value."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def apart(*numbers: float, digits: int = 6) -> list[str]:
    """Numbers side by side: whole ones in full, others rounded to as many digits as tell different ones apart.

    Args:
        digits: how many significant ones there are at least.
    """
    texts: list[str] = []
    for places in range(digits, ALL + 1):
        texts = [_rounded(number, places) for number in numbers]
        if len(set(texts)) >= len(set(numbers)):
            break
    return texts


def _rounded(number: float, digits: int) -> str:
    """A number with commas between thousands; the digits before its point are never rounded."""
    if isinstance(number, int) or (number.is_integer() and abs(number) < LARGEST_PLAIN):
        return f"{int(number):,}"
    before = len(str(abs(int(number)))) if abs(number) < EXACT else 0
    text = repr(float(f"{number:.{max(digits, before)}g}")).removesuffix(".0")
    if "e" in text:
        return text
    return f"{float(text):,.{len(text.partition('.')[2])}f}"
