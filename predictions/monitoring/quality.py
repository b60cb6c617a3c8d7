"""How well versions do on what came after training, as far as the truth is known: read from counts, not the log."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, FloatField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Cast, Coalesce

from predictions.models import FeedbackCount
from training.models import Version


@dataclass(frozen=True)
class Quality:
    """The judged predictions of one version; `confusion[i][j]` of class i were answered j."""

    version: Version
    classes: list[str]
    confusion: list[list[int]]

    @property
    def judged(self) -> int:
        return sum(map(sum, self.confusion))

    @property
    def correct(self) -> int:
        return sum(row[place] for place, row in enumerate(self.confusion))

    @property
    def accuracy(self) -> float | None:
        """The share of judged predictions that were right; None before the first."""
        return self.correct / self.judged if self.judged else None


def judged(versions: QuerySet[Version]) -> QuerySet[Version]:
    """Those with judged predictions, with `judged`, `correct` and `live`, the share of the two, to order them by."""
    counts = FeedbackCount.objects.filter(version=OuterRef("pk")).order_by().values("version")
    right = counts.filter(predicted=F("truth"))
    return (
        versions.annotate(
            judged=Subquery(counts.annotate(total=Sum("predictions")).values("total")),
            correct=Coalesce(Subquery(right.annotate(total=Sum("predictions")).values("total")), 0),
        )
        .filter(judged__gt=0)
        .annotate(live=Cast("correct", FloatField()) / F("judged"))
    )


def of_versions(versions: Iterable[Version], since: datetime | None = None) -> list[Quality]:
    """The quality of each version, over predictions made since the hour of a moment."""
    listed = list(versions)
    counts = FeedbackCount.objects.filter(version__in=listed).order_by()
    if since:
        counts = counts.filter(hour__gte=since.replace(minute=0, second=0, microsecond=0))
    sums: dict[int, list[tuple[int, int, int]]] = {}
    for version, truth, predicted, total in counts.values_list("version", "truth", "predicted").annotate(
        total=Sum("predictions")
    ):
        sums.setdefault(version, []).append((truth, predicted, total))
    return [_quality(version, sums.get(version.pk, [])) for version in listed]


def _quality(version: Version, sums: list[tuple[int, int, int]]) -> Quality:
    classes = list(version.contract.classes)
    confusion = [[0] * len(classes) for _ in classes]
    for truth, predicted, total in sums:
        confusion[truth][predicted] = total
    return Quality(version, classes, confusion)


def scores(since: datetime | None = None) -> list[dict[str, Any]]:
    """Per version with feedback: classifier, number, judged and correct, in one query.

    Args:
        since: a moment, over predictions made since whose hour the scores are.
    """
    right = Q(predicted=F("truth"))
    counts = FeedbackCount.objects.order_by()
    if since:
        counts = counts.filter(hour__gte=since.replace(minute=0, second=0, microsecond=0))
    sums = (
        counts.values(classifier=F("version__classifier__name"), number=F("version__number"))
        .annotate(judged=Sum("predictions"), correct=Sum("predictions", filter=right, default=0))
        .filter(judged__gt=0)
    )
    return [dict(row) for row in sums]
