"""Changes of metrics that are made together come to the same as one by one."""

import asyncio
import threading
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from clfsite.core.web.deferred import FLUSH_SECONDS, Counter, Deferred, Histogram

VALUES = [0.05, 0.1, 0.2, 0.5, 3.0, 0.1]


def samples(metric: Any) -> dict[tuple[str, str], float]:
    return {
        (sample.name.removeprefix(metric._name), sample.labels.get("le", "")): sample.value
        for described in metric.collect()
        for sample in described.samples
    }


def histogram(name: str) -> Histogram:
    return Histogram(name, "seconds", buckets=(0.1, 0.5, 1.0), registry=CollectorRegistry())


def test_a_histogram_changed_together_equals_one_observed_value_by_value() -> None:
    one, other = histogram("one"), histogram("other")
    for value in VALUES:
        one.observe(value)
    other.change(VALUES)
    # a bound belongs to its bucket
    assert samples(one)["_bucket", "0.1"] == 3
    assert samples(other) == pytest.approx(samples(one))


def test_changes_are_made_at_once_until_a_loop_defers_them() -> None:
    deferred, counter = Deferred(), Counter("calls", "calls", registry=CollectorRegistry())
    deferred.change(counter)
    assert samples(counter)["_total", ""] == 1

    async def serve() -> None:
        deferred.start(asyncio.get_running_loop())
        threads = [threading.Thread(target=deferred.change, args=(counter, 2)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert samples(counter)["_total", ""] == 1
        await asyncio.sleep(3 * FLUSH_SECONDS)
        assert samples(counter)["_total", ""] == 9
        deferred.change(counter)

    asyncio.run(serve())
    assert samples(counter)["_total", ""] == 9
    deferred.flush()
    assert samples(counter)["_total", ""] == 10
