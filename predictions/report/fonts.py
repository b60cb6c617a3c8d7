"""The fonts of the PDF: DejaVu, which comes with matplotlib, Typst's own, and whatever the machine has.

matplotlib's folder also holds a font of last resort, whose glyph of every character is a box. It must not be among them:
Typst would take it before a font that can draw the character.
"""

import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
import typst
from fontTools.ttLib import TTFont, TTLibError

MATPLOTLIB = Path(mpl.get_data_path()) / "fonts" / "ttf"
# characters that a remark names
SHOWN = 12
# control and format characters, and blanks
_WITHOUT_GLYPH = {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}
# they choose between pictures of the character before them
_SELECTORS = frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))


@cache
def of_pdf() -> typst.Fonts:
    """Look for the fonts, once in a process: a font that is installed later is found after a restart."""
    return typst.Fonts(
        include_system_fonts=True, include_embedded_fonts=True, font_paths=[Path(_dejavu().name)]
    )


@cache
def _dejavu() -> TemporaryDirectory[str]:
    """A folder with links to matplotlib's DejaVu alone; it is there as long as the process."""
    folder = TemporaryDirectory(prefix="clfsite-fonts-")
    for path in MATPLOTLIB.glob("DejaVu*.ttf"):
        (Path(folder.name) / path.name).symlink_to(path)
    return folder


def undrawable(text: str) -> list[str]:
    """The characters of a text that no font of the PDF has a glyph for, in Unicode's order."""
    wanted = {
        character
        for character in set(text)
        if unicodedata.category(character) not in _WITHOUT_GLYPH and character not in _SELECTORS
    }
    return sorted(_without_glyph(frozenset(wanted)))


@lru_cache(maxsize=256)
def _without_glyph(wanted: frozenset[str]) -> frozenset[str]:
    """Look through the fonts until each character was found; Typst's own have nothing that DejaVu lacks of texts."""
    left = set(map(ord, wanted))
    for font in of_pdf().fonts():
        if not left:
            break
        if font.path is not None:
            left -= _characters(Path(font.path), font.index)
    return frozenset(map(chr, left))


def _characters(path: Path, index: int) -> frozenset[int]:
    """The code points that a font has a glyph for; none where it cannot be read."""
    try:
        with path.open("rb") as file, TTFont(file, fontNumber=index, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except (OSError, TTLibError):
        return frozenset()


def remark(text: str) -> str:
    """Say which characters of a text the PDF cannot show; empty where it can show all."""
    missing = undrawable(text)
    if not missing:
        return ""
    shown = ", ".join(_name(character) for character in missing[:SHOWN])
    more = f" and {len(missing) - SHOWN:,} more" if len(missing) > SHOWN else ""
    return (
        f"This PDF shows a box in place of some characters, because no font on the server has them: {shown}{more}. Install "
        "a font that does, such as Noto Sans CJK or Noto Color Emoji, and restart the site; or read the report as HTML."
    )


def _name(character: str) -> str:
    """A character that cannot be drawn, by its number and name in Unicode."""
    return f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"
