"""Digits read eight at a time: the characters of numbers in words of eight bytes, in arrays of one word for each."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.ml.tables.digits import EXACT

Words = NDArray[np.uint64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Sizes = NDArray[np.int8]

WORD = 8  # bytes
# words of the longest number
WORDS = 3
LONGEST = WORD * WORDS  # bytes
# powers of ten that floats hold exactly
_EXACT_POWERS = 22
_POWERS = np.array([float(10**power) for power in range(_EXACT_POWERS + 2)])
# share of the gap between two floats in which a quotient in twice the precision may be wrong
_TOLERANCE = 2.0**-20
_SPLITTER = 2.0**27 + 1
# so many digits in the word before the last two fit with them into 64 bits
_MOST_IN_LAST = np.uint64(1_000)


def _word(*values: int, size: int = 1) -> np.uint64:
    """Return a word of the bytes of numbers, repeated to its end."""
    pattern = b"".join(value.to_bytes(size, "little") for value in values)
    return np.uint64(int.from_bytes(pattern * (WORD // len(pattern)), "little"))


NONE = np.uint64(0)
ZEROS, _ONES, _TOPS = map(_word, b"0\x01\x80")
_FLIPPED_POINTS = _word(ord(".") ^ ord("0"))
_BEYOND = _word(0x80 - 10)  # added to a digit, it leaves the top bit
_SEVEN, _BYTE, _TWO_BYTES, _FOUR_BYTES, _SEVEN_BYTES = map(np.uint64, (7, 8, 16, 32, 56))
_PAIRS, _FOURS = _word(0xFF, 0), _word(0xFFFF, 0, size=2)
_TO_PAIRS, _TO_FOURS, _TO_EIGHTS = map(np.uint64, (10 * 2**8 + 1, 100 * 2**16 + 1, 10_000 * 2**32 + 1))


class Digits(NamedTuple):
    """Texts of digits with at most one point.

    Attributes:
        digits: the number without its point.
        decimals: the number of digits after the point.
        is_odd: whether there are other characters, several points, or too many digits.
    """

    digits: Words
    decimals: Sizes
    has_point: Flags
    is_odd: Flags


def read_digits(words: list[Words]) -> Digits:
    """Read texts of digits and points given in words, the last one first; each byte is that of its character less 0."""
    points = [_points(word) for word in words]
    words, decimals, count = _without_points(words, points)
    strange = np.zeros(len(count), dtype=np.uint64)
    digits = np.zeros(len(count), dtype=np.uint64)
    for place, word in enumerate(words):
        strange |= (word + _BEYOND) | word
        part = _parse(word)
        digits += part * np.uint64(10 ** (WORD * place)) if place else part
    is_odd = ((strange & _TOPS) != 0) | (count > 1)
    if len(words) == WORDS:
        is_odd |= (part >= _MOST_IN_LAST) | (decimals > _EXACT_POWERS)
    return Digits(digits, np.where(is_odd, np.int8(0), decimals), count == 1, is_odd)


def _points(word: Words) -> Words:
    """Return a word with the top bit of each byte that is a point; after a point a slash counts as one, too."""
    other = word ^ _FLIPPED_POINTS
    return (other - _ONES) & ~other & _TOPS


def _without_points(words: list[Words], points: list[Words]) -> tuple[list[Words], Sizes, Sizes]:
    """Move the characters before a point by one towards the end, over it.

    Returns:
        the words, the number of characters after the point, and the number of points.
    """
    decimals = np.zeros(len(words[0]), dtype=np.int8)
    count = np.zeros(len(words[0]), dtype=np.int8)
    passed: Words | None = None  # all bits where the point is in a later word
    moved = []
    for place, (word, point) in enumerate(zip(words, points, strict=True)):
        here = np.bitwise_count(point).view(np.int8)
        if passed is None and not here.any():
            moved.append(word)
            continue
        count += here
        is_here = here.astype(np.uint64)
        bit = point >> _SEVEN
        before, after = bit - is_here, ~((bit << _BYTE) - is_here)
        decimals += ((np.bitwise_count(after).view(np.int8) >> 3) + np.int8(WORD * place)) * here
        if passed is not None:
            before, after = before | passed, after & ~passed
        passed = -is_here if passed is None else passed | -is_here
        moved.append((word & after) | ((word & before) << _BYTE))
        if place + 1 < len(words):
            moved[-1] |= (words[place + 1] >> _SEVEN_BYTES) & passed
    return moved, decimals, count


def _parse(word: Words) -> Words:
    """Return the numbers of eight digits: neighbours are joined to pairs, these to fours, and these to eights."""
    word = word * _TO_PAIRS >> _BYTE
    word = (word & _PAIRS) * _TO_FOURS >> _TWO_BYTES
    return (word & _FOURS) * _TO_EIGHTS >> _FOUR_BYTES


def divide(digits: Words, decimals: Sizes) -> tuple[Floats, Flags]:
    """Divide whole numbers by powers of ten.

    Returns:
        the nearest floats, and whether each surely is the nearest.
    """
    power = _POWERS[decimals]
    high = digits.astype(np.float64)
    quotient = high / power
    if int(digits.max(initial=0)) <= EXACT:  # both are exact, so the quotient is the nearest float
        return quotient, np.ones(len(digits), dtype=bool)
    # the remainder in twice the precision, after Dekker
    low = (digits - high.astype(np.uint64)).view(np.int64).astype(np.float64)
    left, right = _halves(quotient), _halves(power)
    product = quotient * power
    error = ((left[0] * right[0] - product) + left[0] * right[1] + left[1] * right[0]) + left[1] * right[1]
    rest = (((high - product) - error) + low) / power
    nearest = quotient + rest
    beyond = np.abs(rest - (nearest - quotient))
    gap = nearest - (nearest.view(np.int64) - 1).view(np.float64)
    return nearest, (digits <= EXACT) | (2 * beyond < gap * (1 - _TOLERANCE))


def _halves(values: Floats) -> tuple[Floats, Floats]:
    """Split floats into two of half as many digits, after Veltkamp."""
    scaled = values * _SPLITTER
    high = scaled - (scaled - values)
    return high, values - high
