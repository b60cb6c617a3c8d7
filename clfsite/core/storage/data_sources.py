"""Databases from which datasets are made: connections that the environment names, and that nobody sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, quote_plus

VARIABLE = "CLFSITE_SOURCE_"
HIDDEN = "***"


@dataclass(frozen=True)
class DataSource:
    """A database that can be queried.

    Attributes:
        name: the lower-case name after `CLFSITE_SOURCE_`.
        config: as Django's settings name it: NAME, HOST, PORT, USER, PASSWORD, OPTIONS.
    """

    name: str
    kind: Literal["postgresql", "sqlite"]
    config: Mapping[str, Any] = field(repr=False)

    @property
    def variable(self) -> str:
        """The variable that names it."""
        return f"{VARIABLE}{self.name.upper()}"

    def hide(self, text: str) -> str:
        """Return a message of the driver or the server without the password, in any of its spellings."""
        password = str(self.config.get("PASSWORD") or "")
        for written in {password, quote(password, safe=""), quote_plus(password)} - {""}:
            text = text.replace(written, HIDDEN)
        return text
