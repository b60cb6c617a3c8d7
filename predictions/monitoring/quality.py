"""How well versions do on what came after training, as far as the truth is known: read from counts, not the log."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, FloatField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast

from predictions.models import FeedbackCount
from training.models import Version


@dataclass(frozen=True, kw_only=True)
class Score:
    """How many predictions were judged, and how many of them were right."""

    judged: int = 0
    correct: int = 0

    @property
    def accuracy(self) -> float | None:
        """The share of judged predictions that were right; None before the first."""
        return self.correct / self.judged if self.judged else None


@dataclass(frozen=True, kw_only=True)
class Quality(Score):
    """The score of one version; `confusion[i][j]` of class i were answered j."""

    version: Version
    classes: list[str]
    confusion: list[list[int]]


def judged(versions: QuerySet[Version]) -> QuerySet[Version]:
    """Those with judged predictions, with `judged`, `correct` and `live`, the share of the two, to order them by."""
    score = FeedbackCount.objects.filter(version=OuterRef("pk")).scores("version")
    return (
        versions.annotate(judged=Subquery(score.values("judged")), correct=Subquery(score.values("correct")))
        .filter(judged__gt=0)
        .annotate(live=Cast("correct", FloatField()) / F("judged"))
    )


def of_versions(versions: Iterable[Version], since: datetime | None = None) -> list[Quality]:
    """The quality of each version, over predictions made since the hour of a moment."""
    listed = list(versions)
    counts = FeedbackCount.objects.filter(version__in=listed)
    if since:
        counts = counts.since(since)
    sums: dict[int, list[tuple[int, int, int]]] = {}
    for version, truth, predicted, total, _ in counts.scores("version", "truth", "predicted"):
        sums.setdefault(version, []).append((truth, predicted, total))
    return [_quality(version, sums.get(version.pk, [])) for version in listed]


def _quality(version: Version, sums: list[tuple[int, int, int]]) -> Quality:
    classes = list(version.contract.classes)
    confusion = [[0] * len(classes) for _ in classes]
    for truth, predicted, total in sums:
        confusion[truth][predicted] = total
    return Quality(
        version=version,
        classes=classes,
        confusion=confusion,
        judged=sum(map(sum, confusion)),
        correct=sum(row[place] for place, row in enumerate(confusion)),
    )
