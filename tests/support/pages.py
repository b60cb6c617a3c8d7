"""The documentation as tests read it: blocks of code in their order, and links with their targets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.site import ROOT

PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "SECURITY.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "data").glob("*.md"),
    ]
)
PAGES = [page for page in PAGES if page.exists()]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page; `line` is where it begins."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in their order."""
    text = page.read_text()
    for result in FENCE.finditer(text):
        line = text.count("\n", 0, result.start()) + 1
        yield Block(page, line, result["language"], result["text"])


def commands(block: Block) -> Iterator[str]:
    """The commands of a console block: what follows a prompt, with the lines that continue it."""
    command: list[str] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command:
                yield "\n".join(command)
            command = [line[2:]]
        elif line.startswith("> ") and command:
            command.append(line[2:])
    if command:
        yield "\n".join(command)


def links(page: Path) -> list[str]:
    """The targets of a page's links and pictures, those in code aside."""
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))
    return LINK.findall(prose)


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings have on GitHub."""
    titles = HEADING.findall(FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
