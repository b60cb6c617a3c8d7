"""`make settings`: write the table of docs/deployment.md and .env.example from what `clfsite.env` declares."""

import textwrap
from typing import Any

from clfsite.env import Setting, declared
from tests.support.site import ROOT

PAGE = ROOT / "docs" / "deployment.md"
EXAMPLE = ROOT / ".env.example"
HEAD = "| variable | default | meaning |\n| --- | --- | --- |\n"
INTRODUCTION = """\
# Copy to .env and change what differs from a laptop copy; every line is optional.
# A real environment variable wins over this file.
"""


def written(value: Any) -> str:
    """A default as a line of a file would set it."""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def row(setting: Setting) -> str:
    """A setting's row in the documents."""
    default = setting.shown_default or (f"`{text}`" if (text := written(setting.default)) else "")
    see = f"; see [below](#{setting.see})" if setting.see else ""
    return f"| `{setting.title}` | {default} | {setting.meaning}{see} |\n"


def table() -> str:
    """The table of all settings."""
    return HEAD + "".join(row(setting) for setting in declared())


def page(text: str) -> str:
    """The page with the table as it should be."""
    start = text.index(HEAD)
    return text[:start] + table() + text[text.index("\n\n", start) + 1 :]


def example() -> str:
    """A file with every setting, none of them set."""
    lines = []
    for setting in declared():
        default = f" Default: {setting.shown_default}." if setting.shown_default else ""
        about = f"{setting.meaning[0].upper()}{setting.meaning[1:]}.{default}".replace("`", "")
        comment = textwrap.fill(about, 118, initial_indent="# ", subsequent_indent="# ")
        lines.append(f"\n{comment}\n# {setting.title}={written(setting.default)}\n")
    return INTRODUCTION + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    EXAMPLE.write_text(example())
