"""The facts of one version over one window, which page, report, API, gauges and alerts show."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from training.ml.watch.shift import ENOUGH_ROWS, Distance

Status = Literal["ok", "attention", "not_enough_data"]


@dataclass(frozen=True)
class Moved:
    """A distribution of the window beside that of training.

    Attributes:
        moved: whether this window differs from training by more than chance and by an amount that matters, and also from the
            same hours of the weeks before, where they are known and the window is shorter than a week.
        shift: population stability index without the part that chance explains, against training; None without predictions.
        p: probability of such a difference by chance; None without predictions.
        since: start of the hour since when it differs; None if it has not moved.
        before: the distance to the same hours of the weeks before; None if there were not enough predictions.
        is_lasting: whether it may raise an alert: it has moved, and a weekly season cannot explain it, because the weeks before
            are known, the window has a week, or there is more of some values than a day of the week can have.
        then, now: the shares of training and of the window by group, in the same order as `groups`.
    """

    moved: bool
    shift: float | None
    p: float | None
    since: datetime | None
    before: Distance | None
    is_lasting: bool
    groups: tuple[str, ...]
    then: tuple[float, ...]
    now: tuple[float, ...]


@dataclass(frozen=True)
class ColumnMoved(Moved):
    """An input; `importance` is the drop of ROC-AUC if its values are shuffled, measured on held-out rows."""

    name: str
    kind: str
    importance: float

    @property
    def rank(self) -> float:
        """How much the shift matters: its size times the importance."""
        return max(self.shift or 0.0, 0.0) * max(self.importance, 0.0)


@dataclass(frozen=True)
class DataQuality:
    """What is wrong with the calls and values of a window.

    Attributes:
        refused: share of records that the contract refused; `reasons` are their numbers by code.
        missing, unseen, out_of_range: by input, the share of predictions; only inputs with any.
        beyond: by these names and by input, how much larger the share is than in training.
        constant: inputs whose values were all in one bin in the window, and in several in training.
        silent_since: start of the first hour without predictions, if the same hours of the weeks before always had some.
        never_given: classes that training had and no prediction of the window got.
    """

    refused: float
    reasons: dict[str, int]
    missing: dict[str, float]
    unseen: dict[str, float]
    out_of_range: dict[str, float]
    beyond: dict[str, dict[str, float]]
    constant: tuple[str, ...]
    silent_since: datetime | None
    never_given: tuple[str, ...]


@dataclass(frozen=True)
class Estimated:
    """The accuracy that is expected without true labels, with its 95 % interval.

    Attributes:
        usual: the accuracy of the rows that it is estimated from.
        why: why it does not hold.
    """

    value: float
    low: float
    high: float
    usual: float
    holds: bool
    why: str = ""


@dataclass(frozen=True)
class Measured:
    """The accuracy on predictions of the window with feedback, with its 95 % interval."""

    value: float
    low: float
    high: float
    feedback: int
    dropped: bool


@dataclass(frozen=True)
class Accuracy:
    """Estimated and measured accuracy; None where there is nothing to compute it from."""

    held_out: float
    estimated: Estimated | None
    measured: Measured | None


@dataclass(frozen=True)
class Evaluation:
    """All facts of one version over one window; `columns` are sorted by how much their shift matters."""

    classifier: str
    version: int
    since: datetime
    until: datetime
    predictions: int
    columns: tuple[ColumnMoved, ...]
    label_mix: Moved
    probabilities: Moved
    quality: DataQuality
    accuracy: Accuracy
    problems: tuple[str, ...] = field(default=())

    @property
    def is_enough(self) -> bool:
        """Whether the window has enough predictions to look for shifts."""
        return self.predictions >= ENOUGH_ROWS

    @property
    def status(self) -> Status:
        """Whether something needs a person."""
        if self.problems:
            return "attention"
        return "ok" if self.is_enough else "not_enough_data"

    @property
    def moved(self) -> list[ColumnMoved]:
        """The inputs that moved."""
        return [column for column in self.columns if column.moved]
