"""How far a search is, as the run that asked for it shows it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a search is: models fitted of those planned, and the best mean over all folds of a setting so far.

    Of a search that goes in rounds, on more rows each, the best is that of the latest round that has one.
    """

    done: int
    total: int
    best: float | None
