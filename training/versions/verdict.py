"""What a version's metrics mean, in sentences that pages and the report share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clfsite.core.web import numbers
from training.models import Version
from training.templatetags.titles import estimator

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
    if contract.positive is None:
        first = _of_classes(judged)
    else:
        first = of_outcome(
            Outcome(judged["confusion"], contract.classes.index(contract.positive)), contract.positive
        )
    name = estimator(version.family or version.run.recipe_data["estimator"])
    return [*first, _against_the_most_frequent(judged), f"The best model of the search is: {name}."]


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


def trials(version: Version) -> list[Trial]:
    """What thresholds would mean, the lowest first, that of the version among them.

    Empty with more than two classes and for early versions.
    """
    judged, contract, own = version.held_out, version.contract, version.threshold
    (curve,) = (judged.get("curves") or {}).get("roc", [])[:1] or [{}]
    if contract.positive is None or own is None or "thresholds" not in curve:
        return []
    place = contract.classes.index(contract.positive)
    positives = sum(judged["confusion"][place])
    negatives = judged["rows"] - positives
    result = [Trial(own, of_outcome(Outcome(judged["confusion"], place), contract.positive))]
    for threshold in {step / STEPS for step in range(1, STEPS)} - {own}:
        # thresholds fall along the curve, and its first point labels no row
        point = max(sum(at >= threshold for at in curve["thresholds"]) - 1, 0)
        found, alarms = round(positives * curve["y"][point]), round(negatives * curve["x"][point])
        outcome = Outcome([[negatives - alarms, alarms], [positives - found, found]], 1)
        result.append(Trial(threshold, of_outcome(outcome, contract.positive)))
    return sorted(result, key=lambda trial: trial.threshold)


def _of_classes(judged: Mapping[str, Any]) -> list[str]:
    weakest = min(judged["per_class"], key=lambda row: row["recall"])
    return [
        f"It labels {numbers.percent(judged['metrics']['accuracy'])} of the rows correctly.",
        f"It finds {weakest['label']} least often: {numbers.percent(weakest['recall'], 0)} of its rows.",
    ]


def _against_the_most_frequent(judged: Mapping[str, Any]) -> str:
    """The accuracy beside that of an answer that is always the same."""
    frequent = max(judged["per_class"], key=lambda row: row["rows"])
    bounds = (judged.get("intervals") or {}).get("accuracy")
    between = f" (95{numbers.NARROW}% interval: {numbers.interval(bounds)})" if bounds else ""
    return (
        f"{numbers.percent(judged['metrics']['accuracy'])} of its labels are correct{between}; always answering "
        f"{frequent['label']} would be correct for {numbers.percent(frequent['rows'] / judged['rows'])}."
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
