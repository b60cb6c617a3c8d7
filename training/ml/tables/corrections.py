"""Corrections: choices of a user that override what was inferred about a table's columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from training.ml.tables.contract import ContractError
from training.ml.tables.quoting import quote


class Spellings(StrEnum):
    """The treatment of labels that look like one class, such as `Yes` and `yes`."""

    MERGE = "merge"
    KEEP = "keep"


class Choice(StrEnum):
    """The treatment of a column that overrides the inferred one; `merge` is a category with similar spellings merged, `text`
    is learned by its words."""

    NUMBER = "number"
    CATEGORY = "category"
    LEAVE_OUT = "leave_out"
    TAKE_IN = "take_in"
    MERGE = "merge"
    TEXT = "text"

    @property
    def is_text(self) -> bool:
        """Whether the column's cells are read as written."""
        return self in {Choice.CATEGORY, Choice.MERGE, Choice.TEXT}


@dataclass(frozen=True)
class Corrections:
    """Choices by column, and whether values that were not seen in training are errors instead of warnings.

    `labels` says whether similar labels are one class; None if there is no choice. `date_parts` are columns that are the
    parts of one date, in the order year, month, day and perhaps hour. `protected` are inputs whose groups are compared.

    Raises:
        ContractError: a choice does not exist. Choices may be given as texts.
    """

    columns: Mapping[str, Choice] = field(default_factory=dict)
    strict: bool = False
    labels: Spellings | None = None
    date_parts: tuple[tuple[str, ...], ...] = ()
    protected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        chosen = {name: _choice(name, value) for name, value in self.columns.items()}
        object.__setattr__(self, "columns", chosen)
        object.__setattr__(self, "labels", _spellings(self.labels))
        object.__setattr__(self, "date_parts", tuple(map(tuple, self.date_parts)))
        object.__setattr__(self, "protected", tuple(self.protected))

    def __bool__(self) -> bool:
        return bool(self.columns or self.strict or self.labels or self.date_parts or self.protected)

    def chosen(self, choice: Choice) -> list[str]:
        """The columns with this choice."""
        return [name for name, chosen in self.columns.items() if chosen is choice]

    @property
    def texts(self) -> list[str]:
        """The columns whose cells are read as written."""
        return [name for name, chosen in self.columns.items() if chosen.is_text]

    @property
    def codes(self) -> list[str]:
        """The columns that are categories by choice."""
        return [name for name, chosen in self.columns.items() if chosen in {Choice.CATEGORY, Choice.MERGE}]

    def to_dict(self) -> dict[str, Any]:
        """Return the corrections as JSON values."""
        return {
            "columns": {name: str(choice) for name, choice in self.columns.items()},
            "strict": self.strict,
            "labels": self.labels,
            **({"date_parts": [list(names) for names in self.date_parts]} if self.date_parts else {}),
            **({"protected": list(self.protected)} if self.protected else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the output of `to_dict`; an empty mapping has no corrections."""
        return cls(
            data.get("columns", {}),
            data.get("strict", False),
            data.get("labels"),
            data.get("date_parts", ()),
            data.get("protected", ()),
        )


def _spellings(value: Any) -> Spellings | None:
    try:
        return None if value is None else Spellings(value)
    except ValueError as error:
        raise ContractError(
            f"labels that look alike cannot be {quote(value)}; choose from {', '.join(Spellings)}"
        ) from error


def _choice(name: str, value: Any) -> Choice:
    try:
        return Choice(value)
    except ValueError as error:
        raise ContractError(
            f"the column {quote(name)} cannot become {quote(value)}; choose from {', '.join(Choice)}"
        ) from error


AS_INFERRED = Corrections()
