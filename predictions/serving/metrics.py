"""What this process counts and times for Prometheus; django-prometheus times pages and managing calls beside it.

What the database knows is in `predictions.monitoring.gauges`. Everything here is called for each request, so it has to cost
microseconds: series are looked up once and kept.
"""

import os
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

# a second series for every counter, which no panel or rule reads
disable_created_metrics()  # type: ignore[no-untyped-call]

# where web processes and the worker beside them share what they count; set by `manage.py serve`
SHARED = "PROMETHEUS_MULTIPROC_DIR"
# classes of one classifier with a series of their own, and characters of a class's name in it
MOST_LABELS = 20
LONGEST_LABEL = 60
OTHER = "(other)"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LIVE_GAUGE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")

predictions_total = Counter(
    "clfsite_predictions_total", "Logged predictions.", ["classifier", "version", "label", "source"]
)
warnings_total = Counter(
    "clfsite_prediction_warnings_total",
    "Values that training never saw, in answered predictions.",
    ["classifier", "code"],
)
refusals_total = Counter("clfsite_refusals_total", "Serving requests refused, by HTTP status.", ["status"])
key_refusals_total = Counter(
    "clfsite_key_refusals_total",
    "Calls refused for their API key: none, one that is not valid, without the scope, or too often.",
    ["reason"],
)
call_seconds = Histogram(
    "clfsite_call_seconds", "Time to answer a serving call.", ["call", "status"], buckets=_SECONDS
)
scoring_seconds = Histogram(
    "clfsite_scoring_seconds", "Time to check and score one request.", ["classifier"], buckets=_SECONDS
)
logging_seconds = Histogram(
    "clfsite_logging_seconds",
    "Time that one request waits until its predictions are committed.",
    ["classifier"],
    buckets=_SECONDS,
)
commit_seconds = Histogram(
    "clfsite_log_commit_seconds", "Time of one commit of the log, which requests share.", buckets=_SECONDS
)
commit_rows = Histogram(
    "clfsite_log_commit_rows",
    "Predictions that share one commit of the log.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096),
)
commit_failures_total = Counter(
    "clfsite_log_commit_failures_total", "Commits of the log that the database did not take."
)
log_queue_rows = Gauge(
    "clfsite_log_queue_rows", "Predictions that wait for the log.", multiprocess_mode="livesum"
)
faulty_classifiers = Gauge(
    "clfsite_faulty_classifiers",
    "Classifiers whose active version cannot be loaded.",
    multiprocess_mode="livemax",
)


@cache
def child(metric: Any, *labels: str) -> Any:
    """The series of a metric with these labels; looking it up anew costs more than counting."""
    return metric.labels(*labels)


@lru_cache(4_096)
def shown(label: str, classes: tuple[str, ...]) -> str:
    """A class as its series are labelled: cut where it is long, one name for those past the first twenty."""
    if len(classes) > MOST_LABELS and classes.index(label) >= MOST_LABELS:
        return OTHER
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 3]}..."


def refused_key(reason: str) -> None:
    """Count a call that was refused for its key."""
    child(key_refusals_total, reason).inc()


def exposition() -> bytes:
    """What was counted, in Prometheus' text format: by this process, or by all that share a folder."""
    if SHARED not in os.environ:
        return generate_latest(REGISTRY)
    _bury(Path(os.environ[SHARED]))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _bury(folder: Path) -> None:
    """Take the gauges of processes that are gone out of the sums; what they counted stays in them."""
    for path in folder.glob("gauge_live*.db"):
        found = _LIVE_GAUGE.fullmatch(path.name)
        if found and not _is_alive(int(found[1])):
            mark_process_dead(found[1], str(folder))  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
