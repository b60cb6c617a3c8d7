"""The encoding of a text file."""

import codecs
import re

from charset_normalizer import from_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# encodings of a byte for a letter, by the share of letters beyond ASCII in words
_LATIN = ["cp1252", "cp1250", "cp1254", "cp1257"]
_OTHER = [
    "cp1251",
    "koi8_r",
    "cp1253",
    "cp1255",
    "cp1256",
    "shift_jis",
    "euc_jp",
    "gb18030",
    "big5",
    "euc_kr",
    "cp866",
]
_TITLES = {"cp1252": "Windows-1252", "cp1250": "Windows-1250", "cp1251": "Windows-1251", "utf-16": "UTF-16"}
_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
# bytes that are enough to tell encodings apart
ENOUGH = 65_536


def title(encoding: str) -> str:
    """Return the usual name of an encoding."""
    return _TITLES.get(encoding, encoding.upper().replace("_", "-"))


def recognise(start: bytes) -> str:
    """Return the encoding of a file that begins with these bytes, as Python calls it; "utf-8-sig" for UTF-8."""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) > len(start) // 8:
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "utf-8-sig" if _is_broken_utf8(start) else _guess(start)
    return "utf-8-sig"


def _is_broken_utf8(start: bytes) -> bool:
    """Return whether most bytes beyond ASCII are whole letters in UTF-8, so that the others are damage."""
    text = start.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return broken < sum(not character.isascii() for character in text) - broken


def _guess(start: bytes) -> str:
    """Return the most likely encoding of one byte for a letter, or of an Asian script."""
    words = [word for word in _WORD.findall(start) if len(word) > 1 and not word.isascii()]
    letters = b"".join(words)
    if sum(byte >= 0x80 for byte in letters) > len(letters) / 2:  # noqa: PLR2004
        return _most_likely(words, _OTHER)
    if _is_western(letters):
        return "cp1252"
    strange = {encoding: _strange(letters, encoding) for encoding in _LATIN}
    least = min(strange.values())
    return _most_likely(words, [encoding for encoding, count in strange.items() if count == least])


def _most_likely(words: list[bytes], encodings: list[str]) -> str:
    best = from_bytes(b"\n".join(words)[:ENOUGH], cp_isolation=encodings).best()
    return best.encoding if best else encodings[0]


def _strange(letters: bytes, encoding: str) -> int:
    """Return the number of characters in words that are not letters in an encoding."""
    return sum(not character.isalpha() for character in letters.decode(encoding, "replace"))


def _is_western(letters: bytes) -> bool:
    """Return whether all bytes beyond ASCII are letters of western Europe in Windows-1252."""
    common = "äöüßÄÖÜéèêëàâáãåæçîïíìòóôõøœùúûÿÉÈÊÀÂÁÃÅÆÇÎÍÑÓÔÕØŒÙÚñ\u2019"
    return {byte for byte in letters if byte >= 0x80} <= set(common.encode("cp1252"))  # noqa: PLR2004
