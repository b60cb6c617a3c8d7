"""What the facts of an evaluation mean for a person: is it still right, since when not, why, and what to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from clfsite.core.web.numbers import count, interval, moment, percent
from predictions.monitoring.evaluation.facts import Evaluation, Moved
from training.ml.watch.shift import ENOUGH_ROWS

NAMED = 3  # inputs in a sentence


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was, and what to do about it."""

    title: str
    text: str
    action: str


def verdict(evaluation: Evaluation) -> str:
    """Whether the version is still right, in a sentence."""
    accuracy, name = evaluation.accuracy, f"{evaluation.classifier} version {evaluation.version}"
    if accuracy.measured and accuracy.measured.dropped:
        return (
            f"{name} is less accurate than at training: {percent(accuracy.measured.value)} of "
            f"{count(accuracy.measured.feedback, 'prediction')} with feedback were correct, against "
            f"{percent(accuracy.held_out)} on held-out rows."
        )
    if not evaluation.is_enough and evaluation.status == "not_enough_data":
        return (
            f"{name} made {count(evaluation.predictions, 'prediction')} in this period; at least "
            f"{ENOUGH_ROWS} are needed to tell."
        )
    if evaluation.status == "attention":
        return f"{name} needs attention: {count(len(findings(evaluation)), 'finding')}."
    return f"{name} works as it did at training."


def since(evaluation: Evaluation) -> datetime | None:
    """The earliest time since when something has moved; None if nothing has."""
    moved = [*evaluation.moved, evaluation.label_mix, evaluation.probabilities]
    return min((item.since for item in moved if item.since), default=None)


def findings(evaluation: Evaluation) -> list[Finding]:
    """What is not as it was, the most important first."""
    return list(_findings(evaluation))


def _findings(evaluation: Evaluation) -> Iterator[Finding]:
    data, accuracy = evaluation.quality, evaluation.accuracy
    if accuracy.measured and accuracy.measured.dropped:
        yield Finding(
            "Accuracy has dropped",
            f"{percent(accuracy.measured.value)} ({interval((accuracy.measured.low, accuracy.measured.high))}), "
            f"against {percent(accuracy.held_out)} on held-out rows.",
            "Retrain on newer rows, or activate an earlier version.",
        )
    if data.silent_since:
        yield Finding(
            "No predictions",
            f"None since {moment(data.silent_since)}, although these hours had some in the weeks before.",
            "Check the callers, and the site's own log.",
        )
    if evaluation.moved:
        names = ", ".join(item.name for item in evaluation.moved[:NAMED])
        more = len(evaluation.moved) - NAMED
        yield Finding(
            f"{count(len(evaluation.moved), 'input')} moved",
            f"{names}{f' and {more} more' if more > 0 else ''}: the values differ from those of training by more than "
            "chance.",
            "Check the source of these values. If they are right, retrain on newer rows.",
        )
    for mix, title in ((evaluation.label_mix, "label mix"), (evaluation.probabilities, "probabilities")):
        if mix.moved:
            yield Finding(
                f"The {title} moved",
                f"{largest(mix)} Either the inputs moved, or the rows are of other kinds than in training.",
                "Give feedback on some predictions to see whether they are still correct.",
            )
    if "refused" in evaluation.problems:
        listed = ", ".join(f"{code} ({number:,})" for code, number in list(data.reasons.items())[:NAMED])
        yield Finding(
            f"{percent(data.refused)} of records refused",
            f"By the contract, because of: {listed}.",
            "Correct the caller, or train a version that accepts such records.",
        )
    if data.constant:
        yield Finding(
            "Constant inputs",
            f"{', '.join(data.constant[:NAMED])}: always one value or a narrow range, unlike in training.",
            "Check the source of these values.",
        )
    if data.never_given:
        yield Finding(
            "Labels never predicted",
            f"{', '.join(data.never_given[:NAMED])}: expected from the held-out rows, but not predicted once.",
            "Check the inputs that moved, and the threshold.",
        )


def largest(moved: Moved) -> str:
    """The group whose share changed most, as a sentence; empty without predictions."""
    if moved.shift is None:
        return ""
    changes = zip(moved.groups, moved.then, moved.now, strict=True)
    group, then, now = max(changes, key=lambda change: abs(change[2] - change[1]))
    return f"{group}: {percent(then)} in training, {percent(now)} now."
