"""The progress of a training, as its run shows it."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """A phase of a training; the members are in the order of execution."""

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
        """The position of the phase, from 1."""
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
    """The progress of a phase: `done` and `total` count fitted models in a search, inputs in importance, or steps.

    Attributes:
        best: the best mean score over all folds that a setting of the search has so far. If the search goes in rounds on
            more and more rows, it is the best of the latest round with a score.
    """

    done: int
    total: int
    best: float | None = None
    phase: Phase = Phase.SEARCH
