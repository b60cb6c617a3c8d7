"""What pages load of others: only what is pinned, comes with its licence and is served from here."""

import hashlib
import re

from plotly.offline import get_plotlyjs_version

from tests.support.site import ROOT

STATIC, TEMPLATES = ROOT / "static", ROOT / "templates"
VENDOR = STATIC / "vendor"
ROW = re.compile(
    r"^\| (?P<package>\S+) \| (?P<version>\S+) \| (?P<licence>\S+) \| `(?P<file>[^`]+)` \| `(?P<sha256>\w+)` \|$"
)
LICENCES = {"MIT": "Permission is hereby granted, free of charge", "0BSD": "Permission to use, copy, modify"}


def vendored() -> dict[str, re.Match[str]]:
    """The rows of the table of third-party files, by file."""
    rows = filter(None, map(ROW.match, (VENDOR / "README.md").read_text().splitlines()))
    return {row["file"]: row for row in rows}


def test_third_party_files_are_what_their_table_says() -> None:
    listed = vendored()
    result = {
        str(path.relative_to(VENDOR))
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name not in {"README.md", "LICENSE"}
    }
    assert result == set(listed)
    for name, row in listed.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == row["sha256"], name
        assert LICENCES[row["licence"]] in (VENDOR / name).with_name("LICENSE").read_text(), name


def test_figures_are_drawn_by_the_plotly_they_are_made_for() -> None:
    assert vendored()["plotly/plotly-cartesian.min.js"]["version"] == get_plotlyjs_version()


def test_no_stylesheet_makes_browsers_restyle_the_page_for_each_text_of_a_chart() -> None:
    """A pseudo-class inside of `:has()` depends on each element that is added anywhere, as Plotly does to measure."""
    for path in STATIC.rglob("*.css"):
        for_screens = (
            path.read_text().partition("@media print {")[0] if path.name == "print.css" else path.read_text()
        )
        assert not re.search(r":has\([^{}),]*:(not|nth|first|last|empty|only)", for_screens), path


def test_every_icon_that_a_template_names_is_there() -> None:
    pages = "".join(path.read_text() for path in TEMPLATES.rglob("*.html"))
    named = set(re.findall(r'icon\.html" with name="([\w-]+)"| icon="([\w-]+)"', pages))
    there = set(re.findall(r'id="tabler-([\w-]+)"', (VENDOR / "tabler-icons" / "sprite.svg").read_text()))
    assert {one or other for one, other in named} - there == set()


def test_no_template_holds_a_script_or_an_address_of_another_host() -> None:
    for path in TEMPLATES.rglob("*.html"):
        page = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", page), path
        assert not re.search(r"\son\w+=", page), path
        assert not re.search(r'(src|href)="(https?:)?//', page), path
