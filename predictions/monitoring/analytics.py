"""Predictions of versions in a period, from the hourly counts instead of the log."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import F, QuerySet, Sum
from django.db.models.functions import TruncDay

from predictions.models import FeedbackCount, HourlyCount, HourlyLatency, hour_of
from predictions.monitoring import counts, quality
from predictions.monitoring.quality import Quality
from training.ml.watch.shift import differs
from training.models import Version

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# quantiles of latency for each step
SHARES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Period:
    """A period that ends now, in steps of an hour or a day."""

    title: str
    span: timedelta
    step: timedelta

    def steps(self, now: datetime) -> list[datetime]:
        """The start of each step; the last one has not ended."""
        last = hour_of(now.astimezone(UTC))
        if self.step == DAY:
            last = last.replace(hour=0)
        count = self.span // self.step
        return [last - place * self.step for place in reversed(range(count))]

    @property
    def at(self) -> F | TruncDay:
        """The step of an hour, as an expression of a query."""
        return F("hour") if self.step == HOUR else TruncDay("hour", tzinfo=UTC)


PERIODS = {
    "24h": Period("Last 24 hours", DAY, HOUR),
    "7d": Period("Last 7 days", timedelta(days=7), HOUR),
    "30d": Period("Last 30 days", timedelta(days=30), DAY),
    "90d": Period("Last 90 days", timedelta(days=90), DAY),
    "365d": Period("Last 365 days", timedelta(days=365), DAY),
}


USUAL_PERIOD = "30d"
# days up to which a period of one's own has steps of an hour, and the longest period
HOURLY_DAYS, MOST_DAYS = 7, 1_100


def between(first: date, end: datetime) -> Period:
    """The period from a day to a time; at least a day, and at most MOST_DAYS."""
    days = min(max((end.date() - first).days + 1, 1), MOST_DAYS)
    start = datetime.combine(end.date(), time.min, UTC) - timedelta(days=days - 1)
    title = f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
    if days > HOURLY_DAYS:
        return Period(title, timedelta(days=days), DAY)
    return Period(title, hour_of(end) - start + HOUR, HOUR)


def usual_period(versions: Collection[Version], now: datetime) -> str:
    """The period to show at first: the shortest with all predictions, or else the shortest from 30 days with any."""
    hours = HourlyCount.objects.filter(version__in=versions).order_by("hour").values_list("hour", flat=True)
    first, last = hours.first(), hours.last()
    if first is None or last is None:
        return USUAL_PERIOD
    names = list(PERIODS)
    whole = next((name for name in names if first >= PERIODS[name].steps(now)[0]), names[-1])
    if names.index(whole) <= names.index(USUAL_PERIOD):
        return whole
    longer = names[names.index(USUAL_PERIOD) :]
    return next((name for name in longer if last >= PERIODS[name].steps(now)[0]), names[-1])


@dataclass(frozen=True)
class Report:
    """Counts of a period; each series has a number for each of `steps`.

    `deciles[label][tenth]` counts predictions by tenths of the label's probability, `latency[step]` and
    `buckets` by the bucket of `predictions.monitoring.counts`; `judged[version]` are pairs of judged and
    correct.
    """

    steps: list[datetime]
    by_version: dict[int, list[int]]
    by_label: dict[str, list[int]]
    deciles: dict[str, list[int]]
    latency: list[Counter[int]]
    judged: dict[int, list[tuple[int, int]]]
    qualities: list[Quality]

    @property
    def total(self) -> int:
        return sum(map(sum, self.by_version.values()))

    @property
    def labels(self) -> dict[str, int]:
        return {label: sum(series) for label, series in self.by_label.items()}

    @property
    def used(self) -> list[Quality]:
        """The versions with predictions in the period."""
        return [known for known in self.qualities if sum(self.by_version[known.version.pk])]

    @property
    def buckets(self) -> Counter[int]:
        return sum(self.latency, Counter())

    @property
    def all_judged(self) -> int:
        return sum(quality.judged for quality in self.qualities)

    @property
    def accuracy(self) -> float | None:
        return (
            sum(quality.correct for quality in self.qualities) / self.all_judged if self.all_judged else None
        )


def report(versions: Sequence[Version], period: Period, now: datetime) -> Report:
    """Count the predictions of versions of one classifier, in four queries.

    Args:
        now: the end of the period, which may be in the past.
    """
    steps = period.steps(now)
    places = {step: place for place, step in enumerate(steps)}
    classes = list(dict.fromkeys(label for version in versions for label in version.contract.classes))
    by_version = {version.pk: [0] * len(steps) for version in versions}
    by_label = {label: [0] * len(steps) for label in classes}
    deciles = {label: [0] * counts.DECILES for label in classes}
    counted = _of(HourlyCount.objects.all(), versions, steps[0], now)
    for at, version, label, total in _by_step(counted, period, "version", "label"):
        by_version[version][places[at]] += total
        by_label.setdefault(label, [0] * len(steps))[places[at]] += total
    for label, decile, total in _summed(counted.values_list("label", "decile")):
        deciles.setdefault(label, [0] * counts.DECILES)[decile] += total
    latency: list[Counter[int]] = [Counter() for _ in steps]
    timed = _of(HourlyLatency.objects.all(), versions, steps[0], now)
    for at, bucket, total in _by_step(timed, period, "bucket"):
        latency[places[at]][bucket] += total
    judged = {version.pk: [(0, 0)] * len(steps) for version in versions}
    feedback = FeedbackCount.objects.filter(version__in=by_version, hour__lte=now).since(steps[0])
    for version, at, total, correct in feedback.scores("version", at=period.at):
        judged[version][places[at]] = (total, correct)
    return Report(
        steps, by_version, by_label, deciles, latency, judged, quality.of_versions(versions, steps[0], now)
    )


def expected_labels(report: Report) -> dict[str, float]:
    """The expected share of each label, from held-out rows, weighted by the predictions of each version."""
    shares: Counter[str] = Counter()
    for known in report.used:
        weight = sum(report.by_version[known.version.pk]) / report.total
        columns = [sum(column) for column in zip(*known.expected, strict=True)]
        for label, count in zip(known.classes, columns, strict=True):
            shares[label] += weight * count / sum(columns)
    return dict(shares)


def moved(expected: dict[str, float], counts: dict[str, int]) -> float | None:
    """The share of predictions that would have to change for both mixes to match (total variation distance)."""
    total = sum(counts.values())
    if not total or not expected:
        return None
    labels = expected.keys() | counts.keys()
    return sum(abs(counts.get(label, 0) / total - expected.get(label, 0.0)) for label in labels) / 2


def mix_has_moved(report: Report, expected: dict[str, float]) -> bool:
    """Whether the label mix differs from the expected one, by the rule of the page Monitoring.

    If a threshold or costs were changed in the period, a part of the labels was decided otherwise, so nothing is said.
    """
    if any(known.since and known.since > report.steps[0] for known in report.used):
        return False
    rows = sum(sum(map(sum, known.expected)) for known in report.used)
    labels = sorted(expected.keys() | report.labels.keys())
    return differs(
        [round(expected.get(label, 0.0) * rows) for label in labels],
        [report.labels.get(label, 0) for label in labels],
    )


def positive_tenths(positive: str, deciles: dict[str, list[int]]) -> list[int]:
    """Predictions by tenths of the positive class's probability, if there are two classes."""
    tenths = [0] * counts.DECILES
    for label, series in deciles.items():
        for place, count in enumerate(series):
            tenths[place if label == positive else counts.DECILES - 1 - place] += count
    return tenths


def held_out_tenths(version: Version) -> list[float] | None:
    """The share of held-out rows in each tenth of the positive class's probability; None if it was not stored."""
    curves = (version.held_out.get("curves") or {}).get("calibration") or []
    if len(curves) != 1 or not sum(curves[0]["counts"]):
        return None
    shares = [0.0] * counts.DECILES
    for mean, count in zip(curves[0]["x"], curves[0]["counts"], strict=True):
        shares[counts.decile(mean)] += count / sum(curves[0]["counts"])
    return shares


def _of(rows: QuerySet[Any], versions: Sequence[Version], since: datetime, until: datetime) -> QuerySet[Any]:
    of_versions = rows.filter(version__in=[version.pk for version in versions])
    return of_versions.filter(hour__gte=since, hour__lte=until).order_by()


def _by_step(rows: QuerySet[Any], period: Period, *by: str) -> Any:
    """Sums per step and further columns, as (step, *by, total)."""
    return _summed(rows.annotate(at=period.at).values_list("at", *by))


def _summed(grouped: Any) -> Any:
    return grouped.annotate(total=Sum("predictions"))
