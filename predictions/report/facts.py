"""The facts of a report, which are read once, so text, tables and charts have the same numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Sum
from django.db.models.functions import TruncDay
from django.utils import timezone

from predictions.batches.models import Batch
from predictions.models import FeedbackCount, HourlyBin, HourlyCount, HourlyLatency, Prediction
from predictions.monitoring import quality
from predictions.monitoring.counts import DECILES, LATENCY_MS, bring_up_to_date
from predictions.monitoring.evaluation.evaluate import evaluate
from predictions.monitoring.evaluation.facts import Evaluation
from predictions.monitoring.evaluation.shifts import HOUR
from predictions.monitoring.quality import Quality, Score
from training.ml.tables.contract import Contract
from training.models import Activation, Dataset, Run, Version

# latest predictions that are read from the log for facts without counters
LOOKED_AT = 10_000
# days whose inputs are compared with training
COMPARED_DAYS = 7


@dataclass(frozen=True)
class Serving:
    """The predictions of one version, from the hourly counts.

    `latencies[i]` predictions took at most `LATENCY_MS[i]`; the last element counts those above the last bound.
    """

    hours: dict[datetime, int]
    sources: dict[str, int]
    labels: dict[str, int]
    deciles: list[int]
    latencies: list[int]
    batches: dict[str, int]

    @property
    def predictions(self) -> int:
        return sum(self.labels.values())

    def within_ms(self, share: float) -> float | None:
        """Return the bound within which this share of the predictions was, or None if it is above the last bound."""
        wanted, reached = share * sum(self.latencies), 0
        for bound, count in zip(LATENCY_MS, self.latencies, strict=False):
            reached += count
            if reached >= wanted:
                return bound
        return None


@dataclass(frozen=True)
class Monitoring:
    """Feedback on the predictions, and values that were not seen in training.

    `lately` is the score that shows whether accuracy has dropped, and `days` has the score of the predictions of each
    day. `warned` of the `looked_at` latest predictions had a warning. `warnings` counts them by feature and code.
    `evaluation` compares the last days with predictions with training, as the page Monitoring does.
    """

    quality: Quality
    lately: Score
    days: dict[datetime, Score]
    looked_at: int
    warned: int
    warnings: dict[tuple[str, str], int]
    evaluation: Evaluation


@dataclass(frozen=True)
class Facts:
    """All facts of one report."""

    version: Version
    contract: Contract
    dataset: Dataset
    run: Run
    versions: list[Version]
    qualities: dict[int, Quality]
    activations: list[Activation]
    serving: Serving
    monitoring: Monitoring
    made_at: datetime

    @property
    def held_out(self) -> dict[str, Any]:
        held_out: dict[str, Any] = self.version.held_out
        return held_out

    @property
    def is_active(self) -> bool:
        return bool(self.activations) and self.activations[0].version_id == self.version.pk

    @property
    def class_counts(self) -> dict[str, int]:
        """The rows of each class in the dataset, for the classes in its profile."""
        column = self.column(self.contract.target)
        listed: dict[str, int] = dict(column.get("top", [])) if column else {}
        if column and "counts" in column:  # a numeric target has a histogram instead of values
            return {}
        counts = dict.fromkeys(self.contract.classes, 0)
        for spelling, rows in listed.items():
            if (label := self.contract.label_of(spelling)) is not None:
                counts[label] += rows
        return {label: rows for label, rows in counts.items() if rows}

    def column(self, name: str) -> dict[str, Any] | None:
        """The dataset's profile of one column."""
        profile: dict[str, Any] | None = next(
            (column for column in self.dataset.profile if column["name"] == name), None
        )
        return profile


def collect(version: Version) -> Facts:
    """Read the facts of a report on this version.

    Args:
        version: loaded with its classifier and its run's dataset.
    """
    bring_up_to_date()
    classifier = version.classifier
    versions = list(
        Version.objects.with_active()
        .filter(classifier=classifier)
        .select_related("classifier", "run__dataset")
        .defer(*Version.bulky("contract_data", "held_out"), "run__candidates", "run__dataset__profile")
        .order_by("-number")
    )
    qualities = {row.version.pk: row for row in quality.of_versions(versions)}
    return Facts(
        version=version,
        contract=version.contract,
        dataset=version.run.dataset,
        run=version.run,
        versions=versions,
        qualities=qualities,
        activations=list(classifier.activations.select_related("version").order_by("-number")),
        serving=_serving(version),
        monitoring=_monitoring(version, qualities[version.pk]),
        made_at=timezone.now(),
    )


def _serving(version: Version) -> Serving:
    counts = HourlyCount.objects.filter(version=version).order_by()
    deciles, latencies = [0] * DECILES, [0] * (len(LATENCY_MS) + 1)
    for place, total in _sums(counts, "decile"):
        deciles[place] = total
    for place, total in _sums(HourlyLatency.objects.filter(version=version).order_by(), "bucket"):
        latencies[place] = total
    batches = Batch.objects.filter(version=version).order_by()
    return Serving(
        hours=dict(sorted(_sums(counts, "hour"))),
        sources=dict(sorted(_sums(counts, "source"), key=lambda pair: -pair[1])),
        labels=_in_order(dict(_sums(counts, "label")), version.contract.classes),
        deciles=deciles,
        latencies=latencies,
        batches=dict(batches.values_list("state").annotate(Count("pk"))),
    )


def _sums(counts: Any, field: str) -> list[tuple[Any, int]]:
    return list(counts.values_list(field).annotate(total=Sum("predictions")))


def _in_order(counts: dict[str, int], classes: Sequence[str]) -> dict[str, int]:
    return {label: counts[label] for label in classes if label in counts}


def _monitoring(version: Version, judged: Quality) -> Monitoring:
    days = FeedbackCount.objects.filter(version=version).scores(day=TruncDay("hour", tzinfo=UTC))
    latest = Prediction.objects.filter(version=version).order_by("-id").values_list("warnings", flat=True)
    rows = list(latest[:LOOKED_AT])
    warned = [warnings for warnings in rows if warnings]
    return Monitoring(
        quality=judged,
        lately=quality.lately(quality.trained([version]), timezone.now())[version.pk],
        days={day: Score(judged=judged, correct=right) for day, judged, right in days.order_by("day")},
        looked_at=len(rows),
        warned=len(warned),
        warnings=dict(
            Counter(
                (warning["feature"], warning["code"]) for warnings in warned for warning in warnings
            ).most_common()
        ),
        evaluation=evaluate(version, days=COMPARED_DAYS, until=_end_of_use(version)),
    )


def _end_of_use(version: Version) -> datetime | None:
    """When the last predictions of a version ended, if it made none in the compared days until now."""
    hours = HourlyBin.objects.filter(version=version).order_by("-hour").values_list("hour", flat=True)
    last = hours.first()
    if last is None or last > timezone.now() - timedelta(days=COMPARED_DAYS):
        return None
    return last + HOUR - timedelta(microseconds=1)
