"""Links within README and docs: every file and every heading that they name is there."""

import re
from pathlib import Path

import pytest

from tests.support.pages import PAGES, anchors, links
from tests.support.site import ROOT

ELSEWHERE = ("http://", "https://", "mailto:")
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in links(page):
        if link.startswith(ELSEWHERE):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert not lost


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_file_of_the_repository_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(
        r"`((?:clfsite|training|predictions|tests|templates|docker|static|tools)/[\w./-]+)`", page.read_text()
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_page_on_development_names_what_make_does() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "docs" / "development.md").read_text()))
    assert targets - {"help", "run", "clean"} <= named <= targets


def test_the_index_names_every_page_of_the_documentation() -> None:
    named = {link.partition("#")[0] for link in links(ROOT / "docs" / "README.md")}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= named


def test_every_picture_is_shown_somewhere_and_small() -> None:
    shown = {
        (page.parent / link).resolve() for page in PAGES for link in links(page) if link.endswith(".png")
    }
    pictures = set((ROOT / "docs" / "images").iterdir())
    assert pictures <= shown
    assert all(picture.stat().st_size < 200_000 for picture in pictures)
