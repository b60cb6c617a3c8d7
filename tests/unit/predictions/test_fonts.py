"""What the PDF can draw: found in the fonts themselves, and told where it cannot."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typst

from predictions.report import fonts


@pytest.fixture
def wheels_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without a font of its own."""
    bare = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=True, font_paths=[Path(fonts._dejavu().name)]
    )
    monkeypatch.setattr(fonts, "of_pdf", lambda: bare)
    fonts._without_glyph.cache_clear()
    yield
    fonts._without_glyph.cache_clear()


@pytest.mark.usefixtures("wheels_alone")
def test_characters_without_a_font_are_named() -> None:
    assert fonts.undrawable("churn \u732b yes \U0001f436 \u306d\u3053") == list(
        "\u3053\u306d\u732b\U0001f436"
    )
    text = fonts.remark("kind: \u732b")
    assert "U+732B CJK UNIFIED IDEOGRAPH-732B" in text
    assert "HTML" in text


@pytest.mark.usefixtures("wheels_alone")
@pytest.mark.parametrize("text", ["São Paulo", "Köln", "Ω ≥ ±", "да", "\u202f%\n\t…", "a\ufe0f\u200d"])
def test_what_dejavu_has_needs_no_remark(text: str) -> None:
    assert fonts.undrawable(text) == []
    assert fonts.remark(text) == ""


def test_font_of_last_resort_is_not_taken() -> None:
    families = {font.family for font in fonts.of_pdf().fonts()}
    assert "DejaVu Sans" in families
    assert not {family for family in families if "Last Resort" in family}
    assert any("LastResort" in path.name for path in fonts.MATPLOTLIB.iterdir())


@pytest.mark.usefixtures("wheels_alone")
def test_font_that_has_the_character_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def characters(path: Path, index: int) -> frozenset[int]:
        asked.append(path)
        return frozenset({0x732B})

    monkeypatch.setattr(fonts, "_characters", characters)
    assert fonts.undrawable("\u732b\u732b") == []
    assert len(asked) == 1


def test_file_that_is_no_font_has_no_characters(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    assert fonts._characters(broken, 0) == frozenset()
    assert fonts._characters(tmp_path / "gone.ttf", 0) == frozenset()
