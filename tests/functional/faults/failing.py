"""The site with a place to fail at: `granian tests.functional.faults.failing:application`, for tests alone.

The file that CLFSITE_TEST_FAILPOINT names says once where, in one word.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper

from clfsite.rsgi import application
from predictions.log.writing import group_commit
from predictions.log.writing.loop_commit import LoopCommit
from predictions.log.writing.rows import Block, write

__all__ = ["application"]

POINT = Path(os.environ["CLFSITE_TEST_FAILPOINT"])
_commit = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]
_lock = threading.Lock()


def reached(*points: str) -> str:
    """The point asked for, if it is one of these; the next call finds none."""
    with _lock:
        point = POINT.read_text() if POINT.exists() else ""
        if point not in points:
            return ""
        POINT.unlink()
        return point


def write_or_fail(blocks: Sequence[Block]) -> None:
    point = reached("after-write", "raise", "end-thread")
    if point == "raise":
        raise RuntimeError("the writer fails, as a test asked for it")
    if point == "end-thread":
        raise SystemExit
    write(blocks)
    if point == "after-write":
        os._exit(1)


def commit_or_fail(self: BaseDatabaseWrapper) -> None:
    point = reached("before-commit", "after-commit")
    if point == "before-commit":
        os._exit(1)
    _commit(self)
    if point == "after-commit":
        os._exit(1)


# the faults are the writer's, which gets all calls so
LoopCommit.open = lambda _self: None  # type: ignore[method-assign, assignment]
group_commit.write = write_or_fail  # type: ignore[attr-defined]
BaseDatabaseWrapper._commit = commit_or_fail  # type: ignore[attr-defined]
