"""Prometheus metrics of this process and of the processes with the same folder."""

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
    values,
)
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from clfsite.core.requests import access_log
from clfsite.core.shared_memory import FOLDER, is_alive, reserve
from clfsite.core.web.deferred import deferred

# bytes of a new file of values
FIRST_SIZE = 65_536
_LIVE_GAUGE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


class ReservedValues(MmapedDict):
    """The file with the shared values of a process; its space is reserved before it is mapped.

    If there is no space for another series, its value is not shared.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        self._alone: dict[str, tuple[float, float]] = {}
        self._positions: dict[str, int] = {}
        self._f = None  # type: ignore[assignment]
        self._capacity = self._used = 0
        # renamed when it is complete, because a scrape may read it at any time
        new = Path(f"{filename}.new")
        if Path(filename).exists() or reserve(new, FIRST_SIZE):
            if new.exists():
                new.rename(filename)
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def read_value(self, key: str) -> tuple[float, float]:
        """The value and the time of a series, which starts at 0."""
        if key in self._alone or (key not in self._positions and not self._has_room(key)):
            return self._alone.setdefault(key, (0.0, 0.0))
        value: tuple[float, float] = super().read_value(key)  # type: ignore[no-untyped-call]
        return value

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Set the value of a series that was read before."""
        if key in self._alone:
            self._alone[key] = value, timestamp
        else:
            super().write_value(key, value, timestamp)  # type: ignore[no-untyped-call]

    def _has_room(self, key: str) -> bool:
        """Whether the file has space for another series; extends it like the base class."""
        if not self._capacity:
            return False
        # an integer, the key with at most 8 bytes of padding, and two doubles
        needed, capacity = self._used + 4 + len(key.encode()) + 8 + 16, self._capacity
        while needed > capacity:
            capacity *= 2
        return capacity == self._capacity or reserve(Path(self._fname), capacity)


# disables a second series for each counter, which no panel or rule uses
disable_created_metrics()  # type: ignore[no-untyped-call]
values.MmapedDict = ReservedValues  # type: ignore[attr-defined]
key_refusals_total = Counter(
    "clfsite_key_refusals_total",
    "Calls refused because of the API key: missing, not valid, without the scope, or over the rate limit.",
    ["reason"],
)


@cache
def child(metric: Any, *labels: str) -> Any:
    """The cached series of a metric with these labels; a lookup costs more than counting."""
    return metric.labels(*labels)


def refused_key(reason: str) -> None:
    """Count a call that was refused because of its key."""
    access_log.note_reason(f"key_{reason}")
    child(key_refusals_total, reason).inc()


def exposition() -> bytes:
    """The metrics in Prometheus' text format, of this process or of all with the same folder."""
    deferred.flush()
    if FOLDER not in os.environ:
        return generate_latest(REGISTRY)
    _bury(Path(os.environ[FOLDER]))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _bury(folder: Path) -> None:
    """Remove the gauges of ended processes from the sums; their counters stay."""
    for path in folder.glob("gauge_live*.db"):
        match = _LIVE_GAUGE.fullmatch(path.name)
        if match and not is_alive(int(match[1])):
            mark_process_dead(match[1], str(folder))  # type: ignore[no-untyped-call]
