"""Housekeeping: removes what the settings do not keep, in small steps, and measures what stays.

Each step is complete in itself: killed between two of them, the next run continues. A row says that its files are
gone before they are removed, so files of a killed step are found again by their rows.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from clfsite.core.jobs.models import Chore
from predictions.housekeeping import batch_files, log, others, space, versions

NAME = "housekeeping"
# how many times as long as a step the pause after it is, so that calls keep most of the machine and of the database, and the
# most seconds of a pause
PAUSES, LONGEST_PAUSE = 5, 1.0
# a run by the worker ends after this time; the rest follows a day later
LONGEST = timedelta(hours=2)


@dataclass
class Removed:
    """What was removed of a kind, or would be in a trial."""

    items: int = 0
    size_bytes: int = 0


# a kind's steps: the number of items and bytes of each; removes nothing if asked to try
Steps = Callable[[bool], Iterator[tuple[int, int]]]
KINDS: dict[str, Steps] = {
    "predictions": log.steps,
    "batch_files": batch_files.steps,
    "artifacts": versions.steps,
    "uploads": others.uploads,
    "wandb": others.wandb_folders,
    "sessions": others.sessions,
    "failed_logins": others.failed_logins,
}


def clean(*, is_trial: bool = False, is_stopping: Callable[[], bool] = lambda: False) -> dict[str, Removed]:
    """Remove what the settings do not keep.

    Args:
        is_trial: only report what would be removed.
        is_stopping: asked before every step whether to end.

    Returns:
        What was removed by kind.
    """
    result = {kind: Removed() for kind in KINDS}
    for kind, steps in KINDS.items():
        began = time.monotonic()
        for items, size_bytes in steps(is_trial):
            result[kind].items += items
            result[kind].size_bytes += size_bytes
            if is_stopping():
                return result
            if not is_trial:
                time.sleep(min(PAUSES * (time.monotonic() - began), LONGEST_PAUSE))
            began = time.monotonic()
    return result


def execute(is_stopping: Callable[[], bool] = lambda: False) -> dict[str, Any] | None:
    """Clean, measure, and return what to store; None if it was stopped before its end."""
    until = timezone.now() + LONGEST
    removed = clean(is_stopping=lambda: is_stopping() or timezone.now() > until)
    if is_stopping():
        return None
    before = Chore.objects.filter(name=NAME).values_list("result", flat=True).first() or {}
    measured = space.measure()
    return {
        "removed": {kind: asdict(value) for kind, value in removed.items()},
        "history": space.history_with(before.get("history", []), measured, timezone.now()),
    }
