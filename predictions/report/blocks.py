"""The structure of a report, independent of its format: chapters of blocks with plain text and charts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar = "text"
    text: str


@dataclass(frozen=True)
class Remark:
    """A highlighted paragraph."""

    kind: ClassVar = "remark"
    text: str


@dataclass(frozen=True)
class Heading:
    """The title of a section."""

    kind: ClassVar = "heading"
    text: str


@dataclass(frozen=True)
class Items:
    """A list."""

    kind: ClassVar = "items"
    items: Sequence[str]


@dataclass(frozen=True)
class Pairs:
    """Names and values, one per line."""

    kind: ClassVar = "pairs"
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Tile:
    """One key figure."""

    label: str
    value: str
    hint: str = ""


@dataclass(frozen=True)
class Tiles:
    """Key figures, side by side."""

    kind: ClassVar = "tiles"
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Table:
    """Rows under headers.

    `numbers` are the indexes of right-aligned columns, `wide` the index of the column with the remaining
    width.
    """

    kind: ClassVar = "table"
    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    wide: int | None = None
    strong: Sequence[int] = ()


@dataclass(frozen=True)
class Figure:
    """A chart as SVG, with a title and an explanation."""

    kind: ClassVar = "figure"
    svg: str
    caption: str
    reading: str = ""


@dataclass(frozen=True)
class Code:
    """Commands in a monospaced font."""

    kind: ClassVar = "code"
    text: str


Block = Text | Remark | Heading | Items | Pairs | Tiles | Table | Figure | Code


@dataclass(frozen=True)
class Chapter:
    """A numbered part of the report."""

    name: str
    title: str
    blocks: Sequence[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """The title page and the chapters."""

    title: str
    subtitle: str
    made_at: str
    facts: Sequence[tuple[str, str]]
    tiles: Sequence[Tile]
    chapters: Sequence[Chapter]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values, each block with its kind."""
        data = asdict(self)
        for chapter, written in zip(self.chapters, data["chapters"], strict=True):
            for block, values in zip(chapter.blocks, written["blocks"], strict=True):
                values["kind"] = block.kind
        return data
