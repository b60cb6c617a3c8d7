"""The fonts of the PDF: DejaVu, which comes with matplotlib, those of Typst, and those of the machine.

matplotlib's folder also holds a font of last resort, which draws each character as a box. It has to be left out,
because Typst would prefer it to a font that has the character.
"""

import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
import typst
from fontTools.ttLib import TTFont, TTLibError

MATPLOTLIB = Path(mpl.get_data_path()) / "fonts" / "ttf"
# characters that the remark lists
SHOWN = 12
# Control and format characters and blanks are not drawn, so they need no glyph.
_WITHOUT_GLYPH = {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}
# Variation selectors only choose a form of the character before them, so they need no glyph.
_SELECTORS = frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))


@cache
def of_pdf() -> typst.Fonts:
    """Find the fonts, once per process; a font that is installed later is found after a restart."""
    return typst.Fonts(
        include_system_fonts=True, include_embedded_fonts=True, font_paths=[Path(_dejavu().name)]
    )


@cache
def _dejavu() -> TemporaryDirectory[str]:
    """Make a folder with links only to matplotlib's DejaVu, which is removed at the end of the process."""
    folder = TemporaryDirectory(prefix="clfsite-fonts-")
    for path in MATPLOTLIB.glob("DejaVu*.ttf"):
        (Path(folder.name) / path.name).symlink_to(path)
    return folder


def undrawable(text: str) -> list[str]:
    """Return the characters of a text for which no font of the PDF has a glyph, in Unicode's order."""
    wanted = {
        character
        for character in set(text)
        if unicodedata.category(character) not in _WITHOUT_GLYPH and character not in _SELECTORS
    }
    return sorted(_without_glyph(frozenset(wanted)))


@lru_cache(maxsize=256)
def _without_glyph(wanted: frozenset[str]) -> frozenset[str]:
    """Search the fonts until all characters are found. Typst's own fonts are skipped: DejaVu has all their letters."""
    left = set(map(ord, wanted))
    for font in of_pdf().fonts():
        if not left:
            break
        if font.path is not None:
            left -= _characters(Path(font.path), font.index)
    return frozenset(map(chr, left))


def _characters(path: Path, index: int) -> frozenset[int]:
    """Return the code points for which a font has a glyph; none if the font cannot be read."""
    try:
        with path.open("rb") as file, TTFont(file, fontNumber=index, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except (OSError, TTLibError):
        return frozenset()


def remark(text: str) -> str:
    """Name the characters of a text that the PDF cannot show; return an empty text if it can show all."""
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
    """Return the number and name of a character in Unicode."""
    return f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"
