"""What a version's metrics mean, in sentences that pages and the report share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clfsite.core.web import numbers
from training.ml.judge.costs import Costs, confusion_at
from training.models import Version
from training.templatetags.titles import estimator
from training.versions import costs as costs_of

# rows for which outcomes and costs are given
ROWS = 1_000
# steps of the slider between thresholds of 0 and 1
STEPS = 50


class Outcome:
    """The four kinds of rows of a binary confusion matrix, by the place of the positive class in it."""

    def __init__(self, confusion: Sequence[Sequence[int]], place: int) -> None:
        other = 1 - place
        self.quiet, self.false_alarms = confusion[other][other], confusion[other][place]
        self.missed, self.found = confusion[place][other], confusion[place][place]
        self.rows = self.quiet + self.false_alarms + self.missed + self.found

    @property
    def recall(self) -> float | None:
        """The share of the positive rows that are found."""
        return _share(self.found, self.found + self.missed)

    @property
    def precision(self) -> float | None:
        """The share of the rows labelled positive that are; None if no row is."""
        return _share(self.found, self.found + self.false_alarms)

    def per_thousand(self, rows: float) -> float:
        return ROWS * rows / self.rows

    def costs(self, ratio: float) -> tuple[float, float, float]:
        """The cost of errors for 1,000 rows: with the model, with no rows labelled, with all rows labelled."""
        positives, negatives = self.missed + self.found, self.quiet + self.false_alarms
        return (
            self.per_thousand(ratio * self.missed + self.false_alarms),
            self.per_thousand(ratio * positives),
            self.per_thousand(negatives),
        )

    @property
    def pays_from(self) -> float | None:
        """The cost of a miss from which the model is cheaper than labelling no rows; None if it never is."""
        return self.false_alarms / self.found if self.found else None

    @property
    def pays_until(self) -> float | None:
        """The cost of a miss up to which it is cheaper than labelling all rows; None if it always is."""
        return self.quiet / self.missed if self.missed else None


@dataclass(frozen=True)
class Trial:
    """What another threshold would mean for the held-out rows."""

    threshold: float
    sentences: list[str]


def sentences(version: Version) -> list[str]:
    """What a version does on rows that it did not see, the most important first."""
    judged, contract = version.held_out, version.contract
    correct = _against_the_most_frequent(judged)
    if contract.positive is None:
        first = [correct, _of_the_weakest(judged)]
    else:
        place = contract.classes.index(contract.positive)
        first = [*of_outcome(Outcome(judged["confusion"], place), contract.positive), correct]
    name = estimator(version.family or version.run.recipe_data["estimator"])
    return [*first, f"The best model of the search is: {name}."]


def of_calibration(version: Version) -> list[str]:
    """What calibration did to the probabilities; empty for versions from before it, and with class weights."""
    facts = version.out_of_fold.get("calibration")
    if not facts:
        return []
    error, loss, method = facts["error"], facts["log_loss"], facts["method"]
    off = "The probabilities are off by {} on average (expected calibration error)"
    if method is None:
        why = (
            " They are not calibrated, because no method lowered the log-loss."
            if len(loss) > 1
            else " They are not calibrated, because there are too few rows."
        )
        return [f"{off.format(numbers.percent(error['before']))} on cross-validated rows.{why}"]
    fell = f"fell from {loss['none']:.4f} to {loss[method]:.4f}"
    return [
        f"The probabilities are calibrated ({method}): the log-loss on cross-validated rows {fell}.",
        f"{off.format(numbers.percent(error['after']))}; before it was {numbers.percent(error['before'])}.",
    ]


def of_outcome(outcome: Outcome, positive: str) -> list[str]:
    """What a threshold of the positive class means."""
    found, alarms, missed = (
        f"{outcome.per_thousand(rows):.0f}" for rows in (outcome.found, outcome.false_alarms, outcome.missed)
    )
    if outcome.precision is None:
        return [f"It labels no row {positive}, and so misses all {missed} of {ROWS:,} rows that are."]
    return [
        (
            f"It finds {numbers.percent(outcome.recall, 0)} of all {positive}; "
            f"{numbers.percent(outcome.precision, 0)} of the rows that it labels {positive} are {positive}."
        ),
        f"Of {ROWS:,} similar rows {found} are found, {alarms} are false alarms and {missed} are missed.",
    ]


def trials(version: Version, in_force: float | None = None, costs: Costs | None = None) -> list[Trial]:
    """What thresholds would mean for the held-out rows, the lowest first, that of the version among them.

    Empty with more than two classes and for early versions.

    Args:
        in_force: the threshold that answers now, if it is another one than that of the version.
        costs: of mistakes; a sentence says what they add up to.
    """
    judged, contract, own = version.held_out, version.contract, version.threshold
    held_out = costs_of.of_held_out(version)
    if contract.positive is None or own is None or held_out is None:
        return []
    place = contract.classes.index(contract.positive)
    outcomes = {own: Outcome(judged["confusion"], place)}
    moved = [] if in_force is None else [in_force]
    for threshold in {*moved, *(step / STEPS for step in range(1, STEPS))} - {own}:
        outcomes[threshold] = Outcome(confusion_at(held_out, threshold), 1)
    return [
        Trial(threshold, [*of_outcome(outcome, contract.positive), *_costs_of(outcome, costs, place)])
        for threshold, outcome in sorted(outcomes.items())
    ]


def _costs_of(outcome: Outcome, costs: Costs | None, place: int) -> list[str]:
    if costs is None:
        return []
    confusion = [[outcome.quiet, outcome.false_alarms], [outcome.missed, outcome.found]]
    cost = costs.of(confusion if place else [row[::-1] for row in confusion[::-1]])
    return [f"Mistakes in {ROWS:,} similar rows cost {numbers.amount(cost, costs.unit)}."]


def _of_the_weakest(judged: Mapping[str, Any]) -> str:
    """The class that is found least often."""
    weakest = min(judged["per_class"], key=lambda row: row["recall"])
    return f"It finds {weakest['label']} least often: {numbers.percent(weakest['recall'], 0)} of its rows."


def _against_the_most_frequent(judged: Mapping[str, Any]) -> str:
    """The accuracy beside that of an answer that is always the same."""
    frequent = max(judged["per_class"], key=lambda row: row["rows"])
    bounds = (judged.get("intervals") or {}).get("accuracy")
    between = f" (95{numbers.NARROW}% interval: {numbers.interval(bounds)})" if bounds else ""
    accuracy, share = judged["metrics"]["accuracy"], frequent["rows"] / judged["rows"]
    correct = f"{numbers.percent(accuracy)} of its labels are correct{between}"
    if accuracy <= share:
        return f"{correct}, no more than by always answering {frequent['label']} ({numbers.percent(share)})."
    return f"{correct}; always answering {frequent['label']} would be correct for {numbers.percent(share)}."


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
