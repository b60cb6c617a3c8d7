"""True labels of predictions: stored, counted, and corrected with a history."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from clfsite.core.errors import Conflict, InvalidInput, NotFound, ProblemError
from clfsite.core.web import csv_output
from predictions.models import Feedback, FeedbackCount, Prediction, hour_of
from training.ml.tables.contract import Contract
from training.models import Version

SHOWN_CLASSES = 10


class Change(StrEnum):
    """The effect of a true label."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    CORRECTED = "corrected"


@dataclass(frozen=True)
class Truth:
    """The true label of a prediction as it was written; `line` is its line in a file."""

    prediction_id: UUID
    label: str
    line: int = 0


@dataclass(frozen=True)
class FeedbackProblem:
    """The reason why a label is refused; `column` is the invalid column."""

    truth: Truth
    column: str
    code: str
    message: str


@dataclass(frozen=True)
class Weighed:
    """A true label with its prediction and the earlier label; `label` is its class."""

    label: str
    prediction: Prediction
    classes: tuple[str, ...]
    known: Feedback | None

    @property
    def change(self) -> Change:
        if self.known is None:
            return Change.CREATED
        return Change.UNCHANGED if self.known.label == self.label else Change.CORRECTED


_ERRORS: dict[str, type[ProblemError]] = {
    "unknown_prediction": NotFound,
    "unknown_label": InvalidInput,
    "other_label": Conflict,
}


def give_feedback(
    *, prediction_id: UUID, label: str, actor: str, source: Feedback.Source, replace: bool = False
) -> Change:
    """Store the true label of one prediction. Repeating it changes nothing.

    Args:
        replace: whether to replace an earlier label.

    Raises:
        NotFound: the prediction does not exist. InvalidInput: the label is not a class of the contract.
        Conflict: there is another label, and `replace` is not set.
    """
    truth = Truth(prediction_id, label)
    with transaction.atomic():
        weighed, problems = weigh([truth], replace=replace, lock=True)
        if problems:
            problem = problems[0]
            places = [{"field": problem.column, "code": problem.code, "message": problem.message}]
            raise _ERRORS[problem.code](problem.message, places)
        store(weighed, actor=actor, source=source)
    return weighed[0].change


def weigh(
    truths: Sequence[Truth], *, replace: bool, lock: bool = False
) -> tuple[list[Weighed], list[FeedbackProblem]]:
    """Compare true labels, one per prediction, with the log and with earlier labels.

    Args:
        lock: lock these predictions until the transaction ends. SQLite's writers wait anyway.
    """
    rows = Prediction.objects.filter(pk__in=[truth.prediction_id for truth in truths]).order_by("pk")
    rows = rows.only("version_id", "label", "created_at")
    predictions = {row.pk: row for row in (rows.select_for_update(no_key=True) if lock else rows)}
    contracts = _contracts({row.version_id for row in predictions.values()})
    known = {row.prediction_id: row for row in Feedback.objects.in_force().filter(prediction__in=predictions)}
    weighed, problems = [], []
    for truth in truths:
        prediction = predictions.get(truth.prediction_id)
        if prediction is None:
            message = f"there is no prediction {truth.prediction_id}"
            problems.append(FeedbackProblem(truth, "id", "unknown_prediction", message))
            continue
        contract, before = contracts[prediction.version_id], known.get(prediction.pk)
        # in a file of ours a class that looks like a formula has a mark in front
        written = csv_output.read_back(truth.label, contract.classes) if truth.line else truth.label
        label = contract.label_of(written)
        if label is None:
            message = _not_a_class(truth.label, contract.classes)
            problems.append(FeedbackProblem(truth, "label", "unknown_label", message))
            continue
        item = Weighed(label, prediction, contract.classes, before)
        if before and item.change is Change.CORRECTED and not replace:
            message = f"{_quoted(before.label)} is already the true label; to correct it, set replace to true"
            problems.append(FeedbackProblem(truth, "label", "other_label", message))
        else:
            weighed.append(item)
    return weighed, problems


def store(weighed: Sequence[Weighed], *, actor: str, source: Feedback.Source) -> Counter[Change]:
    """Store weighed labels and count them, in the transaction of `weigh`."""
    news = [item for item in weighed if item.change is not Change.UNCHANGED]
    corrected = [item.known.pk for item in news if item.known]
    if corrected:
        Feedback.objects.filter(pk__in=corrected).update(superseded_at=timezone.now())
    Feedback.objects.bulk_create(
        [Feedback(prediction=item.prediction, label=item.label, actor=actor, source=source) for item in news]
    )
    _count(news, source)
    return Counter(item.change for item in weighed)


def _contracts(versions: set[int]) -> Mapping[int, Contract]:
    rows = Version.objects.order_by().filter(pk__in=versions)
    return {key: Contract.from_dict(data) for key, data in rows.values_list("pk", "contract_data")}


def _not_a_class(label: str, classes: Sequence[str]) -> str:
    named = ", ".join(map(_quoted, classes[:SHOWN_CLASSES]))
    more = len(classes) - SHOWN_CLASSES
    rest = f" and {more} more" if more > 0 else ""
    return f"{_quoted(label)} is not a class of the version that made the prediction; expected {named}{rest}"


def _quoted(label: str) -> str:
    return f'"{label[:60]}"'


def _count(news: Sequence[Weighed], source: Feedback.Source) -> None:
    """Update the hourly counts in one statement, and subtract corrected labels.

    Reviewed predictions are those that the model was unsure of. They are not counted, because accuracy would look worse.
    """
    cells: Counter[tuple[Any, ...]] = Counter()
    for item in news:
        hour = hour_of(item.prediction.created_at)
        predicted = item.classes.index(item.prediction.label)
        row = (item.prediction.version_id, hour, predicted)
        if source != Feedback.Source.REVIEW:
            cells[*row, item.classes.index(item.label)] += 1
        if item.known and item.known.source != Feedback.Source.REVIEW:
            cells[*row, item.classes.index(item.known.label)] -= 1
    if not cells:
        return
    table = FeedbackCount._meta.db_table
    # always in the same order, because otherwise two writers can deadlock
    values: list[Any] = []
    for version, hour, predicted, truth in sorted(cells):
        at = connection.ops.adapt_datetimefield_value(hour)
        values += [version, at, predicted, truth, cells[version, hour, predicted, truth]]
    places = ", ".join(["(%s, %s, %s, %s, %s)"] * len(cells))
    statement = (
        f"INSERT INTO {table} (version_id, hour, predicted, truth, predictions) VALUES {places} "  # noqa: S608  names of our own
        "ON CONFLICT (version_id, hour, predicted, truth) "
        f"DO UPDATE SET predictions = {table}.predictions + excluded.predictions"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
