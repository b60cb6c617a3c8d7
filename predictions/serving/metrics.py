"""Counters and timers of this process for Prometheus. django-prometheus times pages and managing calls.

Gauges from the database are in `predictions.monitoring.gauges`. This code runs for each request and must take
only microseconds, so series are looked up once and kept.
"""

from functools import lru_cache

from prometheus_client import Gauge

from clfsite.core.web.deferred import Counter, Histogram, deferred
from clfsite.core.web.metrics import child

# classes of one classifier with a series of their own, and characters of a class's name in it
MOST_LABELS = 20
LONGEST_LABEL = 60
OTHER = "(other)"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
predictions_total = Counter(
    "clfsite_predictions_total", "Logged predictions.", ["classifier", "version", "label", "source"]
)
warnings_total = Counter(
    "clfsite_prediction_warnings_total",
    "Values outside the training data, in answered predictions.",
    ["classifier", "code"],
)
refusals_total = Counter("clfsite_refusals_total", "Serving requests refused, by HTTP status.", ["status"])
call_seconds = Histogram(
    "clfsite_call_seconds", "Time to answer a serving call.", ["call", "status"], buckets=_SECONDS
)
step_seconds = Histogram(
    "clfsite_step_seconds",
    "Time of each step of serving calls: read a body, check its rows, score the rows of an engine call, commit them "
    "(wait for the log), write the answer.",
    ["step", "classifier"],
    buckets=_SECONDS,
)
engine_rows = Histogram(
    "clfsite_engine_rows",
    "Rows that share one call of the engine.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 1_024),
)
commit_seconds = Histogram(
    "clfsite_log_commit_seconds",
    "Duration of one commit of the log. Several requests can share it.",
    buckets=_SECONDS,
)
commit_rows = Histogram(
    "clfsite_log_commit_rows",
    "Predictions that share one commit of the log.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096),
)
commit_failures_total = Counter("clfsite_log_commit_failures_total", "Failed commits of the log.")
log_queue_rows = Gauge(
    "clfsite_log_queue_rows", "Predictions waiting for the log.", multiprocess_mode="livesum"
)
faulty_classifiers = Gauge(
    "clfsite_faulty_classifiers",
    "Classifiers whose active version cannot be loaded.",
    multiprocess_mode="livemax",
)


def step(name: str, seconds: float, classifier: str = "") -> float:
    """Observe the seconds of a step, and return them."""
    deferred.change(child(step_seconds, name, classifier), seconds)
    return seconds


@lru_cache(4_096)
def shown(label: str, classes: tuple[str, ...]) -> str:
    """The label of a class's series: cut if it is long; classes after the first twenty share one name."""
    if len(classes) > MOST_LABELS and classes.index(label) >= MOST_LABELS:
        return OTHER
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 3]}..."
