"""Prometheus metrics of this process and of those that share a folder with it."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

# a second series for every counter, which no panel or rule reads
disable_created_metrics()  # type: ignore[no-untyped-call]


# where web processes and the worker beside them share what they count; set by `manage.py serve`
SHARED = "PROMETHEUS_MULTIPROC_DIR"
_LIVE_GAUGE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")
key_refusals_total = Counter(
    "clfsite_key_refusals_total",
    "Calls refused for their API key: none, one that is not valid, without the scope, or too often.",
    ["reason"],
)


@cache
def child(metric: Any, *labels: str) -> Any:
    """The series of a metric with these labels; looking it up anew costs more than counting."""
    return metric.labels(*labels)


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
