"""The queue of predictions that a person should answer, read from the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, F, Q

from predictions.log import search
from predictions.models import Feedback, Prediction
from training.ml.judge.sets import label_set
from training.models import Classifier, Version

# predictions that one page looks at, and unsure ones that it shows; the next page continues from there
LOOKED_AT, SHOWN = 500, 25
# period of the answers that are counted
LATELY = timedelta(days=30)


@dataclass(frozen=True)
class Unsure:
    """A prediction without a true label whose set is not one label; `labels` are those in the set."""

    prediction: Prediction
    labels: list[str]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Queue:
    """The unsure predictions of a part of the log, newest first; `older` is where the next part begins, None at the end."""

    rows: list[Unsure]
    older: UUID | None


def queue(classifier: Classifier, *, before: UUID | None = None) -> Queue:
    """Read a part of the log of a classifier and keep the unsure predictions."""
    versions = {version.pk: version for version in Version.objects.filter(classifier=classifier)}
    wanted = search.Wanted(versions=tuple(versions), feedback="without")
    page = search.find(wanted, size=LOOKED_AT, before=before)
    whole = Prediction.objects.in_bulk([row.pk for row in page.rows])
    rows = [whole[row.pk] for row in page.rows if row.pk in whole]
    unsure = _unsure(rows, versions, classifier.set_level)
    older = unsure[SHOWN - 1].prediction.pk if len(unsure) > SHOWN else page.older
    return Queue(unsure[:SHOWN], older)


def _unsure(rows: Sequence[Prediction], versions: dict[int, Version], level: float) -> list[Unsure]:
    least = {key: version.least_probabilities(level) for key, version in versions.items()}
    classes = {key: version.contract.classes for key, version in versions.items()}
    result = []
    for row in rows:
        bounds = least[row.version_id]
        labels = [row.label] if bounds is None else label_set(row.probabilities, bounds)
        if len(labels) != 1:
            row.version = versions[row.version_id]
            result.append(Unsure(row, labels, classes[row.version_id]))
    return result


def reviewed(classifier: Classifier, now: datetime) -> tuple[int, int]:
    """The number of answers by people in the last 30 days, and how many of them agree with the prediction."""
    answers = Feedback.objects.in_force().filter(
        source=Feedback.Source.REVIEW,
        created_at__gte=now - LATELY,
        prediction__version__classifier=classifier,
    )
    counted = answers.aggregate(given=Count("pk"), agreed=Count("pk", filter=Q(label=F("prediction__label"))))
    return counted["given"], counted["agreed"]
