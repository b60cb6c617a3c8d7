"""How far a training is, as the run that asked for it shows it."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """A part of a training, in the order in which they come."""

    READ = "read"
    CHECK = "check"
    SEARCH = "search"
    REFIT = "refit"
    JUDGE = "judge"
    IMPORTANCE = "importance"
    COMPILE = "compile"
    SAVE = "save"

    @property
    def number(self) -> int:
        """Its place, from 1."""
        return list(Phase).index(self) + 1

    @property
    def words(self) -> str:
        return TITLES[self]


TITLES = {
    Phase.READ: "Reading the table",
    Phase.CHECK: "Checking the table",
    Phase.SEARCH: "Searching for the best model",
    Phase.REFIT: "Fitting the best model",
    Phase.JUDGE: "Judging the model on held-out rows",
    Phase.IMPORTANCE: "Measuring how much each input matters",
    Phase.COMPILE: "Compiling the model for fast answers",
    Phase.SAVE: "Saving the version",
}


@dataclass(frozen=True)
class Progress:
    """How far a phase is: of a search, models fitted of those planned; of importance, inputs; of others, steps.

    Attributes:
        best: of a search, the best mean over all folds of a setting so far. Where it goes in rounds, on more rows each,
            that of the latest round that has one.
    """

    done: int
    total: int
    best: float | None = None
    phase: Phase = Phase.SEARCH
