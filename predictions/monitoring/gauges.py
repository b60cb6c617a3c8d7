"""Gauges from the database for Prometheus, read from small tables and counts at most once in a few seconds.

All web processes report the same values, so panels and rules must use the maximum, not the sum.
"""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

from django.db import Error
from django.db.models import Avg, Count, F
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from clfsite.core.jobs.models import Chore, Heartbeat
from clfsite.core.storage import space
from predictions.alerts.models import Alert, Delivery
from predictions.batches.models import Batch
from predictions.models import FeedbackCount
from predictions.monitoring import quality
from predictions.monitoring.evaluation.models import LastEvaluation
from training.models import Activation, Dataset, Run, Version

logger = logging.getLogger(__name__)

KEPT_SECONDS = 5.0
# period of the live accuracy, in addition to all time
WINDOW = timedelta(days=7)


class StateCollector(Collector):
    """Active versions with their metrics, and runs and batches by state."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges. If the database is down, only that, because the counters are needed most then."""
        up = GaugeMetricFamily("clfsite_database_up", "Whether the database responds.")
        try:
            families = [*_versions(), *_quality(), *_jobs(), *_stock(), *_shifts(), *_alerts(), *_chores()]
        except Error:
            logger.warning("the database did not respond; its gauges are missing from this scrape")
            families = []
        up.add_metric([], int(bool(families)))
        yield up
        yield from _disk()
        yield from families


def _disk() -> Iterator[GaugeMetricFamily]:
    try:
        free, total = space.free_bytes()
    except OSError:
        return
    yield GaugeMetricFamily(
        "clfsite_disk_free_bytes", "Free space on the disk of the state folder.", value=free
    )
    yield GaugeMetricFamily("clfsite_disk_bytes", "Size of the disk of the state folder.", value=total)


def _versions() -> Iterator[GaugeMetricFamily]:
    active = GaugeMetricFamily(
        "clfsite_active_version", "Number of the active version.", labels=["classifier"]
    )
    since = GaugeMetricFamily(
        "clfsite_active_since_timestamp_seconds",
        "Time at which the active version was activated.",
        labels=["classifier"],
    )
    held_out = GaugeMetricFamily(
        "clfsite_held_out_metric",
        "Metric of the active version on its held-out rows; the accuracy by the threshold or costs in force.",
        labels=["classifier", "version", "metric"],
    )
    dropped = GaugeMetricFamily(
        "clfsite_live_accuracy_dropped",
        "Whether the active version is less accurate on feedback of the last 30 days than on held-out rows.",
        labels=["classifier", "version"],
    )
    # the other columns of a version are large
    activations = Activation.objects.in_force().values_list(
        "classifier__name",
        "version",
        "version__number",
        "created_at",
        "version__held_out__metrics",
        "version__held_out__rows",
    )
    rows = list(activations.order_by("classifier__name"))
    scores = quality.lately(
        {version: (metrics["accuracy"], held) for _, version, *_, metrics, held in rows}, timezone.now()
    )
    for classifier, version, number, created_at, metrics, _ in rows:
        active.add_metric([classifier], number)
        since.add_metric([classifier], created_at.timestamp())
        score = scores[version]
        for name, value in {**metrics, "accuracy": score.held_out}.items():
            held_out.add_metric([classifier, str(number), name], value)
        dropped.add_metric([classifier, str(number)], score.has_dropped)
    yield from (active, since, held_out, dropped)


def _quality() -> Iterator[GaugeMetricFamily]:
    labels = ["classifier", "version", "window"]
    judged = GaugeMetricFamily(
        "clfsite_judged_predictions",
        "Predictions with feedback: in the last 7 days, and in total.",
        labels=labels,
    )
    accuracy = GaugeMetricFamily(
        "clfsite_live_accuracy", "Share of the predictions with feedback that were correct.", labels=labels
    )
    counts = FeedbackCount.objects.all()
    for window, counted in (("7d", counts.since(timezone.now() - WINDOW)), ("all", counts)):
        for classifier, number, total, correct in counted.scores(
            "version__classifier__name", "version__number"
        ):
            version = [classifier, str(number), window]
            judged.add_metric(version, total)
            accuracy.add_metric(version, correct / total)
    yield from (judged, accuracy)


def _jobs() -> Iterator[GaugeMetricFamily]:
    now = timezone.now()
    for model, name in ((Run, "runs"), (Batch, "batches")):
        states = GaugeMetricFamily(f"clfsite_{name}", f"Number of {name} by state.", labels=["state"])
        counts = dict(model.objects.order_by().values_list("state").annotate(Count("pk")))
        for state in model.State.values:
            states.add_metric([state], counts.get(state, 0))
        yield states
        waiting = GaugeMetricFamily(
            f"clfsite_{name}_oldest_queued_seconds", f"Waiting time of the oldest queued {name}."
        )
        oldest = model.objects.filter(state=model.State.QUEUED).order_by("id").values_list("created_at")[:1]
        waiting.add_metric(
            [], max(((now - created_at).total_seconds() for (created_at,) in oldest), default=0)
        )
        yield waiting
    clocks = Heartbeat.objects.alive().values_list("clock_ahead", flat=True)
    yield GaugeMetricFamily("clfsite_workers", "Workers with a recent heartbeat.", value=len(clocks))
    yield GaugeMetricFamily(
        "clfsite_worker_clock_seconds",
        "Largest difference between a worker's clock and the database's.",
        value=max((abs(seconds or 0) for seconds in clocks), default=0),
    )
    yield from _runs()


def _runs() -> Iterator[GaugeMetricFamily]:
    labels = ["classifier", "run"]
    done = GaugeMetricFamily("clfsite_run_fits_done", "Completed fits of a running search.", labels=labels)
    total = GaugeMetricFamily("clfsite_run_fits", "Planned fits of a running search.", labels=labels)
    best = GaugeMetricFamily(
        "clfsite_run_best_score", "Best mean score of a running search so far.", labels=labels
    )
    running = Run.objects.filter(state=Run.State.RUNNING).values_list(
        "classifier__name", "pk", "fits_done", "fits_total", "best_score"
    )
    for classifier, pk, fits_done, fits_total, best_score in running.order_by("id"):
        done.add_metric([classifier, str(pk)], fits_done)
        total.add_metric([classifier, str(pk)], fits_total)
        if best_score is not None:
            best.add_metric([classifier, str(pk)], best_score)
    yield from (done, total, best)
    seconds = GaugeMetricFamily(
        "clfsite_run_duration_seconds",
        "Mean duration of the succeeded runs of a classifier.",
        labels=["classifier"],
    )
    means = Run.objects.filter(state=Run.State.SUCCEEDED).order_by().values_list("classifier__name")
    for classifier, mean in means.annotate(mean=Avg(F("finished_at") - F("started_at"))):
        seconds.add_metric([classifier], mean.total_seconds())
    yield seconds


def _stock() -> Iterator[GaugeMetricFamily]:
    versions = GaugeMetricFamily("clfsite_versions", "Versions of each classifier.", labels=["classifier"])
    for classifier, count in Version.objects.order_by().values_list("classifier__name").annotate(Count("pk")):
        versions.add_metric([classifier], count)
    yield versions
    datasets = GaugeMetricFamily("clfsite_datasets", "Datasets that training can use.")
    datasets.add_metric([], Dataset.objects.count())
    yield datasets


def _shifts() -> Iterator[GaugeMetricFamily]:
    """What the workers found in the active versions; they look every hour."""
    labels = ["classifier", "version", "window", "of"]
    moved = GaugeMetricFamily(
        "clfsite_moved",
        "Inputs that moved away from training for good, and whether label mix and probabilities did.",
        labels=labels,
    )
    shift = GaugeMetricFamily(
        "clfsite_shift",
        "Population stability index against training less what chance explains: the largest of an input, of the label mix "
        "and of the probabilities.",
        labels=labels,
    )
    accuracy = GaugeMetricFamily(
        "clfsite_estimated_accuracy",
        "Accuracy that is expected without true labels, and whether the estimate holds.",
        labels=[*labels[:3], "holds"],
    )
    active = Activation.objects.in_force().values("version")
    kept = LastEvaluation.objects.filter(version__in=active).select_related("version__classifier")
    for row in kept.only(
        *("days", "moved", "shifts", "estimated_accuracy", "estimate_holds"),
        "version__number",
        "version__classifier__name",
    ):
        of_window = [row.version.classifier.name, str(row.version.number), f"{row.days}d"]
        for name, number in row.moved.items():
            moved.add_metric([*of_window, name], number)
        for name, value in row.shifts.items():
            shift.add_metric([*of_window, name], value)
        if row.estimated_accuracy is not None:
            holds = "true" if row.estimate_holds else "false"
            accuracy.add_metric([*of_window, holds], row.estimated_accuracy)
    yield from (moved, shift, accuracy)


def _alerts() -> Iterator[GaugeMetricFamily]:
    alerts = GaugeMetricFamily(
        "clfsite_alerts", "Alerts that are not closed.", labels=["classifier", "rule", "state"]
    )
    counts = Alert.objects.open().order_by().values_list("classifier__name", "rule", "state")
    for classifier, rule, state, count in counts.annotate(Count("pk")):
        alerts.add_metric([classifier, rule, state], count)
    yield alerts
    yield GaugeMetricFamily(
        "clfsite_unsent_messages",
        "Messages to receivers that could not be sent.",
        value=Delivery.objects.unsent().count(),
    )


def _chores() -> Iterator[GaugeMetricFamily]:
    """When the chores of the workers ended last, and what the check of the files found."""
    chores = {
        chore.name: (chore.finished_at.timestamp(), chore.result)
        for chore in Chore.objects.all()
        if chore.finished_at
    }
    if clean := chores.get("housekeeping"):
        yield GaugeMetricFamily(
            "clfsite_housekeeping_timestamp_seconds",
            "Time at which old data was removed last.",
            value=clean[0],
        )
    if verified := chores.get("verify"):
        yield GaugeMetricFamily(
            "clfsite_files_verified_timestamp_seconds",
            "Time at which all files were compared with their hashes last.",
            value=verified[0],
        )
        yield GaugeMetricFamily(
            "clfsite_damaged_files",
            "Files that were missing or changed then.",
            value=verified[1]["missing"] + verified[1]["changed"],
        )
    if saved := chores.get("backup"):
        yield GaugeMetricFamily(
            "clfsite_backup_timestamp_seconds", "Time at which the last backup was complete.", value=saved[0]
        )
        yield GaugeMetricFamily("clfsite_backup_bytes", "Size of the last backup.", value=saved[1]["bytes"])


class _Kept:
    """The text of the gauges, and its monotonic time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made = -KEPT_SECONDS
        self._text = b""
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(StateCollector())

    def text(self) -> bytes:
        with self._lock:
            if time.monotonic() - self._made >= KEPT_SECONDS:
                self._text = generate_latest(self._registry)
                self._made = time.monotonic()
            return self._text

    def forget(self) -> None:
        self._made = -KEPT_SECONDS


_kept = _Kept()


def exposition() -> bytes:
    """The gauges in Prometheus' text format, at most five seconds old."""
    return _kept.text()


def forget() -> None:
    """Read the database again for the next scrape."""
    _kept.forget()
