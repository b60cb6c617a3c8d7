"""The content of the home page: classifiers, recent events and advice."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from textwrap import shorten
from typing import Any

from django.contrib.auth.models import User
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.urls import reverse

from clfsite.core.web.charts import CLASS_COLOURS, spark
from predictions.alerts.models import Alert
from predictions.batches.models import Batch
from predictions.models import HourlyCount, HourlyLatency, hour_of
from predictions.monitoring import counts, quality
from predictions.monitoring.quality import Score
from training.models import Activation, Classifier, Run, Version

HOURS = 24
LATELY = timedelta(days=14)
EVENTS = 8
SHOWN_LABELS = 4
# predictions per day without feedback from which the page advises to add some
ENOUGH_UNJUDGED = 100
LONGEST_REASON = 200


@dataclass
class Glance:
    """One classifier at a glance, over the last 24 hours; feedback over the last 30 days, of the active version."""

    classifier: Classifier
    activation: Activation | None = None
    # the newest version that was never active
    newest: Version | None = None
    hourly: list[int] = field(default_factory=lambda: [0] * HOURS)
    labels: Counter[str] = field(default_factory=Counter)
    latency: Counter[int] = field(default_factory=Counter)
    score: Score = field(default_factory=Score)
    last_run: Run | None = None
    # open alerts, acknowledged ones included
    alerts: int = 0
    # the newest open alert that nobody has acknowledged
    alert: Alert | None = None

    @property
    def predictions(self) -> int:
        return sum(self.hourly)

    @property
    def bars(self) -> list[dict[str, float]]:
        return spark(self.hourly)

    @property
    def mix(self) -> list[dict[str, Any]]:
        """The most frequent labels with counts, shares and positions in a bar of width 100; the others are combined.

        `colour` is the number of the colour, by the place of the class, as in the charts.
        """
        ranked = self.labels.most_common()
        judged = self.activation.version.held_out["per_class"] if self.activation else []
        places = {row["label"]: place % CLASS_COLOURS + 1 for place, row in enumerate(judged)}
        shown = ranked if len(ranked) <= SHOWN_LABELS + 1 else ranked[:SHOWN_LABELS]
        rest = self.predictions - sum(count for _, count in shown)
        parts = [*shown, *([("others", rest)] if rest else [])]
        mix, x = [], 0.0
        for label, count in parts:
            width = 100 * count / self.predictions
            colour = places.get(label, CLASS_COLOURS + 1)
            mix.append(
                {
                    "label": label,
                    "count": count,
                    "share": width / 100,
                    "x": x,
                    "width": width,
                    "colour": colour,
                }
            )
            x += width
        return mix

    @property
    def median(self) -> float | None:
        return counts.quantile(self.latency, 0.5)

    @property
    def p99(self) -> float | None:
        return counts.quantile(self.latency, 0.99)

    @property
    def has_dropped(self) -> bool:
        """Whether live accuracy has dropped; see `Score.has_dropped`."""
        return self.score.has_dropped


@dataclass(frozen=True)
class Advice:
    """Advice: its urgency (danger, warning or info), the finding, a link, and the permission to follow it."""

    kind: str
    title: str
    text: str
    url: str
    action: str
    needs: str = ""


@dataclass(frozen=True)
class Event:
    """An event: state, time, text, actor and link."""

    at: datetime
    state: str
    title: str
    text: str
    url: str


def glances(now: datetime, classifiers: QuerySet[Classifier] | None = None) -> list[Glance]:
    """The classifiers at a glance, the default first, in eight queries regardless of their number.

    Args:
        classifiers: those to show; by default all that are not archived.
    """
    rows = Classifier.objects.filter(archived_at=None) if classifiers is None else classifiers
    by_classifier = {row.pk: Glance(row) for row in rows.order_by("-is_default", "name")}
    of_these = {"classifier__in": list(by_classifier)}
    active = Activation.objects.in_force().filter(**of_these).select_related("version")
    for activation in active.defer(*Version.bulky("held_out", path="version__")):
        by_classifier[activation.classifier_id].activation = activation
    unused = Version.objects.filter(classifier=OuterRef("classifier"), activations=None, archived_at=None)
    newest = Version.objects.filter(pk=Subquery(unused.order_by("-number").values("id")[:1]), **of_these)
    for version in newest.defer(*Version.bulky()):
        by_classifier[version.classifier_id].newest = version
    last = Run.objects.filter(classifier=OuterRef("classifier")).order_by("-id").values("id")[:1]
    runs = Run.objects.filter(pk=Subquery(last), **of_these)
    for run in runs.defer("candidates", "recipe_data", "corrections_data"):
        by_classifier[run.classifier_id].last_run = run
    for alert in Alert.objects.open().filter(**of_these).order_by("id"):
        glance = by_classifier[alert.classifier_id]
        glance.alerts += 1
        glance.alert = alert if alert.state == Alert.State.OPEN else glance.alert
    _add_traffic(by_classifier, now)
    _add_feedback(by_classifier, now)
    return list(by_classifier.values())


def _add_traffic(glances: Mapping[int, Glance], now: datetime) -> None:
    counts.bring_up_to_date()
    first = hour_of(now) - timedelta(hours=HOURS - 1)
    recent = {"hour__gte": first, "version__classifier__in": list(glances)}
    counted = HourlyCount.objects.filter(**recent).order_by()
    for classifier, hour, label, total in counted.values_list(
        "version__classifier", "hour", "label"
    ).annotate(Sum("predictions")):
        place = min((hour - first) // timedelta(hours=1), HOURS - 1)
        glances[classifier].hourly[place] += total
        glances[classifier].labels[label] += total
    timed = HourlyLatency.objects.filter(**recent).order_by()
    for classifier, bucket, total in timed.values_list("version__classifier", "bucket").annotate(
        Sum("predictions")
    ):
        glances[classifier].latency[bucket] += total


def _add_feedback(glances: Mapping[int, Glance], now: datetime) -> None:
    active = {glance.activation.version: glance for glance in glances.values() if glance.activation}
    scores = quality.lately(quality.trained(active), now)
    for version, glance in active.items():
        glance.score = scores[version.pk]


def advice(glances: Sequence[Glance], user: User) -> list[Advice]:
    """All advice that this person may follow, the most urgent first."""
    listed = [item for glance in glances for item in _advice_on(glance)]
    allowed = [item for item in listed if not item.needs or user.has_perm(item.needs)]
    return sorted(allowed, key=lambda item: ("danger", "warning", "info").index(item.kind))


def _advice_on(glance: Glance) -> list[Advice]:
    name, run = glance.classifier.name, glance.last_run
    advised = list(_on_versions(glance))
    if glance.alert:
        others = f" {glance.alerts - 1} more are open." if glance.alerts > 1 else ""
        url = reverse("predictions:alert-detail", args=[glance.alert.pk])
        text = f"{_brief(glance.alert.message)}{others}"
        advised.append(Advice("warning", f"Alert for {name}", text, url, "See the alert"))
    if run and run.state == Run.State.FAILED:
        url = reverse("training:run-detail", args=[run.pk])
        advised.append(
            Advice("danger", f"The last run of {name} failed", _brief(run.error), url, f"See run {run.pk}")
        )
    if glance.has_dropped:
        advised.append(
            Advice(
                "warning",
                f"{name} is less accurate than at training",
                f"{glance.score.beside}. Retrain on newer data, or activate an earlier version.",
                f"{reverse('predictions:analytics')}?classifier={name}",
                "See the analytics",
            )
        )
    elif not glance.score.judged and glance.predictions >= ENOUGH_UNJUDGED:
        advised.append(
            Advice(
                "info",
                f"No feedback for {name}",
                f"{glance.predictions:,} predictions in the last 24 hours and no feedback in "
                f"{quality.LATELY.days} days: live accuracy is unknown. Upload true labels.",
                reverse("predictions:feedback-list"),
                "Give feedback",
                needs="predictions.add_feedback",
            )
        )
    return advised


def _on_versions(glance: Glance) -> Iterator[Advice]:
    """What is to be done until the best version is active. A cancelled or running first run needs nothing."""
    name, newest, active = glance.classifier.name, glance.newest, glance.activation
    may_activate = "training.activate_version"
    if newest and active is None:
        yield Advice(
            "danger",
            f"{name} has no active version",
            f"Version {newest.number} is ready. Until it is active, calls to {name} are refused.",
            reverse("training:version-detail", args=[newest.pk]),
            f"Review and activate version {newest.number}",
            needs=may_activate,
        )
    elif newest and active and newest.number > active.version.number:
        yield Advice(
            "info",
            f"Version {newest.number} of {name} has never been active",
            f"It is newer than version {active.version.number}, the active version. Compare them and activate "
            "the better one.",
            f"{reverse('training:version-compare')}?versions={active.version_id}&versions={newest.pk}",
            "Compare them",
            needs=may_activate,
        )
    elif active is None and glance.last_run is None:
        yield Advice(
            "info",
            f"{name} has no version yet",
            "Run a training to create one.",
            reverse("training:run-create"),
            "Start a run",
            needs="training.add_run",
        )


def events(now: datetime) -> list[Event]:
    """The events of the last two weeks, newest first: activations, ended runs and batches."""
    since = now - LATELY
    activations = Activation.objects.filter(created_at__gte=since).select_related("version__classifier")
    rows = [
        Event(
            row.created_at,
            "active",
            f"{row.version} became active",
            f"{row.actor}: {row.reason}",
            reverse("training:version-detail", args=[row.version_id]),
        )
        for row in activations.only(
            *("created_at", "actor", "reason", "version__number", "version__classifier__name")
        )[:EVENTS]
    ]
    runs = Run.objects.filter(finished_at__gte=since).select_related("classifier").order_by("-finished_at")
    rows += [
        Event(
            row.finished_at or now,
            row.state,
            f"Run {row.pk} of {row.classifier} {row.state}",
            _brief(row.error),
            reverse("training:run-detail", args=[row.pk]),
        )
        for row in runs.only("finished_at", "state", "error", "classifier__name")[:EVENTS]
    ]
    batches = Batch.objects.filter(finished_at__gte=since).order_by("-finished_at")
    rows += [
        Event(
            row.finished_at or now,
            row.state,
            f"{row.file_name}: {row.rows_done:,} rows scored"
            if row.state == Batch.State.SUCCEEDED
            else f"{row.file_name} {row.state}",
            f"by {row.caller}" if row.state == Batch.State.SUCCEEDED else _brief(row.error),
            reverse("predictions:batch-detail", args=[row.pk]),
        )
        for row in batches.only("finished_at", "state", "error", "file_name", "rows_done", "caller")[:EVENTS]
    ]
    return sorted(rows, key=lambda row: row.at, reverse=True)[:EVENTS]


def _brief(reason: str) -> str:
    """The start of a long reason, cut at a word."""
    return shorten(reason, LONGEST_REASON, placeholder=" …")
