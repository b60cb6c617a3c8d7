"""docs/dependencies.md gives a reason for every requirement."""

import re
from collections.abc import Iterator

from tests.support.site import ROOT

PAGE = (ROOT / "docs" / "dependencies.md").read_text()
# told by what they are, not one by one
TOLD_TOGETHER = re.compile(r"stubs|^types-|-types$")


def required() -> Iterator[str]:
    """The names in requirements*.in, without extras and bounds."""
    for path in ROOT.glob("requirements*.in"):
        for line in path.read_text().splitlines():
            if result := re.match(r"[a-z][a-z0-9-]*", line):
                yield result[0]


def test_every_requirement_has_its_reason() -> None:
    words = set(re.findall(r"[a-z0-9-]+", PAGE.lower()))
    assert [name for name in required() if name not in words and not TOLD_TOGETHER.search(name)] == []
