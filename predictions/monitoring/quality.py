"""Accuracy of versions on predictions with feedback, from counts instead of the log."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, F, FloatField, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from clfsite.core.web.numbers import percent
from predictions.models import FeedbackCount
from training.ml.watch.shares import is_below, share
from training.models import Version
from training.versions.decisions import Decided, decided

# period of the predictions for the check of dropped accuracy
LATELY = timedelta(days=30)
# least predictions with feedback for the check, and least drop in accuracy (share) that matters
ENOUGH, DROP = 50, 0.03
# standard deviations of a difference that counts as a drop: it is looked at every hour, so 95 % would often be chance
SURELY = 3.0


@dataclass(frozen=True, kw_only=True)
class Score:
    """The number of predictions with feedback, and of correct ones.

    Attributes:
        held_out: the accuracy on held-out rows, labelled by the threshold or the costs that decided; None if not compared.
        rows: the number of these rows.
        since: when the version began to decide so, if it decided otherwise before.
    """

    judged: int = 0
    correct: int = 0
    held_out: float | None = None
    rows: int = 0
    since: datetime | None = None

    @property
    def accuracy(self) -> float | None:
        """The share of correct predictions; None without feedback."""
        return self.correct / self.judged if self.judged else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy by Wilson's score, which also works for few predictions, but not for none."""
        known = share(self.correct, self.judged)
        return known.low, known.high

    @property
    def has_dropped(self) -> bool:
        """Whether the accuracy is significantly lower than on held-out rows, and by at least a share that matters."""
        return self.has_dropped_by(DROP)

    def has_dropped_by(self, least: float) -> bool:
        """Whether the accuracy is significantly lower than on held-out rows, and by more than a share."""
        if self.accuracy is None or self.held_out is None or self.judged < ENOUGH:
            return False
        live = share(self.correct, self.judged, SURELY)
        before = share(round(self.held_out * self.rows), self.rows, SURELY)
        return self.held_out - self.accuracy > least and is_below(live, before)

    @property
    def span(self) -> str:
        """The time of the counted predictions of `lately`, in words."""
        return f"since {self.since:%Y-%m-%d %H:00} UTC" if self.since else f"in the last {LATELY.days} days"

    @property
    def beside(self) -> str:
        """A sentence with the recent accuracy and that on held-out rows."""
        return (
            f"{percent(self.accuracy)} of {self.judged:,} predictions with feedback {self.span} were correct, "
            f"against {percent(self.held_out)} on held-out rows"
        )


@dataclass(frozen=True, kw_only=True)
class Quality(Score):
    """The score of one version; `confusion[i][j]` is the number of rows of class i predicted as j.

    `expected` is the confusion of its held-out rows, labelled as it decides.
    """

    version: Version
    classes: list[str]
    confusion: list[list[int]]
    held_out: float
    expected: list[list[int]]


def judged(versions: QuerySet[Version]) -> QuerySet[Version]:
    """The versions with feedback, annotated with `judged`, `correct`, their share `live` and `expected`, for sorting.

    `expected` is the accuracy on held-out rows, as in `Score.held_out`.
    """
    changed = [When(pk=pk, then=Value(of.accuracy)) for pk, of in decided(versions.values("pk")).items()]
    trained = Cast(KT("held_out__metrics__accuracy"), FloatField())
    score = FeedbackCount.objects.filter(version=OuterRef("pk")).scores("version")
    return (
        versions.annotate(judged=Subquery(score.values("judged")), correct=Subquery(score.values("correct")))
        .filter(judged__gt=0)
        .annotate(live=Cast("correct", FloatField()) / F("judged"), expected=Case(*changed, default=trained))
    )


def trained(versions: Iterable[Version]) -> dict[int, tuple[float, int]]:
    """The accuracy of versions on held-out rows at training, and the number of these rows."""
    return {version.pk: (version.metrics["accuracy"], version.held_out["rows"]) for version in versions}


def lately(held_out_rows: Mapping[int, tuple[float, int]], now: datetime) -> dict[int, Score]:
    """The score of each version by its id, over the predictions of the last 30 days.

    What a version labelled by an earlier threshold or other costs says nothing about how it labels now, so its predictions
    are counted from the hour of that change on.

    Args:
        held_out_rows: the accuracy on held-out rows at training, and their number, by version; see `trained`.
    """
    of = decided(held_out_rows)
    changed = {pk: one.since for pk, one in of.items() if one.since and one.since > now - LATELY}
    counts = FeedbackCount.objects.filter(version__in=held_out_rows).since(now - LATELY)
    known = {version: score for version, *score in counts.scores("version")}
    for version, since in changed.items():
        scores = FeedbackCount.objects.filter(version=version).since(since).scores("version")
        known[version] = next((score for _, *score in scores), [0, 0])
    scored = {}
    for version, (accuracy, rows) in held_out_rows.items():
        judged, correct = known.get(version, (0, 0))
        held_out = of[version].accuracy if version in of else accuracy
        scored[version] = Score(
            judged=judged, correct=correct, held_out=held_out, rows=rows, since=changed.get(version)
        )
    return scored


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
    of = decided([version.pk for version in listed])
    return [_quality(version, sums.get(version.pk, []), of.get(version.pk)) for version in listed]


def _quality(version: Version, sums: list[tuple[int, int, int]], of: Decided | None) -> Quality:
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
        held_out=of.accuracy if of else version.metrics["accuracy"],
        rows=version.held_out["rows"],
        since=of.since if of else None,
        expected=of.confusion if of else version.held_out["confusion"],
    )
