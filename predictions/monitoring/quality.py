"""Accuracy of versions on predictions with feedback, from counts instead of the log."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, FloatField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast

from clfsite.core.web.numbers import percent
from predictions.models import FeedbackCount
from training.ml.watch.shares import share
from training.models import Version

# period of the predictions for the check of dropped accuracy
LATELY = timedelta(days=30)
# least predictions with feedback for the check, and least drop in accuracy (share) that matters
ENOUGH, DROP = 50, 0.03


@dataclass(frozen=True, kw_only=True)
class Score:
    """The number of predictions with feedback, and of correct ones."""

    judged: int = 0
    correct: int = 0

    @property
    def accuracy(self) -> float | None:
        """The share of correct predictions; None without feedback."""
        return self.correct / self.judged if self.judged else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy by Wilson's score, which also works for few predictions, but not for none."""
        known = share(self.correct, self.judged)
        return known.low, known.high

    def has_dropped(self, held_out: float, least: float = DROP) -> bool:
        """Whether the accuracy is significantly lower than on held-out rows, and by at least a share that matters."""
        if self.accuracy is None or self.judged < ENOUGH:
            return False
        return held_out - self.accuracy > least and self.interval[1] < held_out

    def beside(self, held_out: float) -> str:
        """A sentence with the recent accuracy and that on held-out rows."""
        accuracy = percent(self.accuracy)
        return (
            f"{accuracy} of {self.judged:,} predictions with feedback in the last {LATELY.days} days were correct, "
            f"against {percent(held_out)} on held-out rows"
        )


@dataclass(frozen=True, kw_only=True)
class Quality(Score):
    """The score of one version; `confusion[i][j]` is the number of rows of class i predicted as j."""

    version: Version
    classes: list[str]
    confusion: list[list[int]]


def judged(versions: QuerySet[Version]) -> QuerySet[Version]:
    """The versions with feedback, annotated with `judged`, `correct` and their share `live` for sorting."""
    score = FeedbackCount.objects.filter(version=OuterRef("pk")).scores("version")
    return (
        versions.annotate(judged=Subquery(score.values("judged")), correct=Subquery(score.values("correct")))
        .filter(judged__gt=0)
        .annotate(live=Cast("correct", FloatField()) / F("judged"))
    )


def lately(versions: Collection[int], now: datetime) -> dict[int, Score]:
    """The score of each version by its id, over the predictions of the last 30 days."""
    counts = FeedbackCount.objects.filter(version__in=versions).since(now - LATELY)
    known = {
        version: Score(judged=judged, correct=right) for version, judged, right in counts.scores("version")
    }
    return {version: known.get(version, Score()) for version in versions}


def of_versions(
    versions: Iterable[Version], since: datetime | None = None, until: datetime | None = None
) -> list[Quality]:
    """The quality of each version, over predictions made since the hour of a moment and until that of another."""
    listed = list(versions)
    counts = FeedbackCount.objects.filter(version__in=listed)
    if since:
        counts = counts.since(since)
    if until:
        counts = counts.filter(hour__lte=until)
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
