"""Our own Prometheus metrics; django-prometheus counts requests and their latency beside them."""

import logging
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.db import DatabaseError
from django.db.models import Count
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from predictions import quality
from predictions.models import Batch
from training.models import Classifier, Heartbeat, Run

logger = logging.getLogger(__name__)

# a second series for every counter, which no panel or rule reads
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

predictions_total = Counter(
    "clfsite_predictions_total", "Logged predictions.", ["classifier", "version", "label", "source"]
)
warnings_total = Counter(
    "clfsite_prediction_warnings_total",
    "Values that training never saw, in answered predictions.",
    ["classifier", "code"],
)
refusals_total = Counter("clfsite_refusals_total", "Serving requests refused, by HTTP status.", ["status"])
call_seconds = Histogram(
    "clfsite_call_seconds", "Time to answer a serving call.", ["call", "status"], buckets=_SECONDS
)
scoring_seconds = Histogram(
    "clfsite_scoring_seconds", "Time to check and score one request.", ["classifier"], buckets=_SECONDS
)
logging_seconds = Histogram(
    "clfsite_logging_seconds", "Time to commit one request's predictions.", ["classifier"], buckets=_SECONDS
)
commit_rows = Histogram(
    "clfsite_log_commit_rows",
    "Predictions that share one commit of the log.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096),
)


@cache
def child(metric: Any, *labels: str) -> Any:
    """The series of a metric with these labels; looking it up anew costs more than counting."""
    return metric.labels(*labels)


class StateCollector(Collector):
    """What the database knows, read at each scrape: active versions, their held-out metrics, runs and batches."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; none while the database is away, when the counters matter most."""
        try:
            yield from self._read()
        except DatabaseError:
            logger.warning("the database did not answer; its gauges are left out of this scrape")

    def _read(self) -> Iterator[GaugeMetricFamily]:
        active = GaugeMetricFamily(
            "clfsite_active_version", "Number of the version that answers.", labels=["classifier"]
        )
        held_out = GaugeMetricFamily(
            "clfsite_held_out_metric",
            "Metric of the active version on its held-out rows.",
            labels=["classifier", "version", "metric"],
        )
        for classifier in Classifier.objects.all():
            activation = classifier.activation
            if activation is None:
                continue
            number = activation.version.number
            active.add_metric([classifier.name], number)
            for name, value in activation.version.metrics.items():
                held_out.add_metric([classifier.name, str(number), name], value)
        yield active
        yield held_out
        yield from self._quality()
        for model, name in ((Run, "runs"), (Batch, "batches")):
            states = GaugeMetricFamily(f"clfsite_{name}", f"Number of {name} by state.", labels=["state"])
            counts = dict(model.objects.order_by().values_list("state").annotate(Count("pk")))
            for state in model.State.values:
                states.add_metric([state], counts.get(state, 0))
            yield states
        workers = Heartbeat.objects.alive().count()
        yield GaugeMetricFamily("clfsite_workers", "Workers that were heard of a moment ago.", value=workers)

    def _quality(self) -> Iterator[GaugeMetricFamily]:
        labels = ["classifier", "version"]
        judged = GaugeMetricFamily(
            "clfsite_judged_predictions", "Predictions whose truth is known.", labels=labels
        )
        accuracy = GaugeMetricFamily(
            "clfsite_live_accuracy", "Share of the judged predictions that were right.", labels=labels
        )
        for score in quality.scores():
            version = [score["classifier"], str(score["number"])]
            judged.add_metric(version, score["judged"])
            accuracy.add_metric(version, score["correct"] / score["judged"])
        yield judged
        yield accuracy


def exposition() -> bytes:
    """All metrics in Prometheus' text format, summed over the web processes where there are several."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    states = CollectorRegistry(auto_describe=False)
    states.register(StateCollector())
    return generate_latest(registry) + generate_latest(states)
