"""How many jobs of each kind one worker carries out at a time: runs of hours leave threads to the batches.

A message that finds every place taken is sent again a moment later, so that a worker with a free place gets it. Each
message begins the job that waits longest, whichever it names: they come back in any order.
"""

import threading
from collections import Counter
from collections.abc import Callable

from clfsite.core.jobs import queue
from clfsite.core.jobs.models import Job

# a worker has threads for so many of each of the two kinds, see `clfsite.celery`
EACH = 2
LATER_SECONDS = 3.0

_taken: Counter[type[Job]] = Counter()
_lock = threading.Lock()


def carry_out(model: type[Job], pk: int, *, task: str, work: Callable[[int], bool]) -> None:
    """Do the work on this job, or on one that was asked for before and waits; without a place, have it sent again.

    Args:
        work: takes the id of a job, and returns whether that was there to claim.
    """
    if not _take(model):
        again = threading.Timer(LATER_SECONDS, queue.wake, (task, pk))
        again.daemon = True
        again.start()
        return
    try:
        before = model._default_manager.filter(state=Job.QUEUED, pk__lt=pk).order_by("pk")
        first = before.values_list("pk", flat=True).first()
        if first is None or not work(first):
            work(pk)
    finally:
        _give_back(model)


def _take(model: type[Job]) -> bool:
    with _lock:
        if _taken[model] >= EACH:
            return False
        _taken[model] += 1
        return True


def _give_back(model: type[Job]) -> None:
    with _lock:
        _taken[model] -= 1
