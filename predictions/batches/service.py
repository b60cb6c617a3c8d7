"""CSV files scored in the background: stored, checked, then scored and logged in parts.

Parts record the progress: the results of a part are stored, and its row is written in one transaction with
the rows of the log. One worker owns the job: it checks the file, calls others to score parts beside it, and ends the
job. A process that takes over the job continues with the parts that are left; see `scoring`.
"""

import contextlib
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    transaction,
)

from clfsite.core.errors import Conflict, InvalidInput, ProblemError
from clfsite.core.jobs import worker
from clfsite.core.jobs.models import LEASE, Heartbeat
from clfsite.core.jobs.queue import wake
from clfsite.core.storage import space
from clfsite.core.storage.files import local_path, plain_name, scratch, uploaded_path
from predictions.batches import counts as batch_counts
from predictions.batches.check import Verdict, check_columns, check_rows, read_form, recognise
from predictions.batches.models import Batch, PendingPart
from predictions.batches.scoring import Left, Scorer, plan
from predictions.monitoring import refusals
from predictions.serving.live_models import Live, live_models

logger = logging.getLogger(__name__)

TASK, HELP = "predictions.tasks.score_batch", "predictions.tasks.help_with_batch"
# time between two calls for helpers, and between two looks at what they have left
CALL_SECONDS, WAIT_SECONDS = 1.0, 0.2
# time between two notes of the progress of a check, each of which takes a commit
NOTE_SECONDS = 0.25
# messages of one call at most
MOST_CALLS = 16
# the reason by which bad rows of files are counted
REFUSED_IN_FILE = "bad_row_of_file"


_lock = threading.Lock()
# number of threads of this process by batch
_at_work: Counter[int] = Counter()


def files() -> Storage:
    return storages["batches"]


def create_batch(
    *,
    source: File,  # type: ignore[type-arg]
    caller: str,
    model: str | None = None,
    version: int | None = None,
    mode: str = Batch.Mode.STRICT,
    hold: bool = False,
    user: User | None = None,
) -> Batch:
    """Store an upload and queue its check and scoring with the active or the pinned version.

    Args:
        mode: whether an invalid row stops the batch, or the others are scored.
        hold: whether to wait after the check until `start_scoring`.

    Raises:
        InvalidInput: the file is not CSV, or its columns do not fit the contract.
        NotFound, Unavailable: see `LiveModels.get`.
    """
    live = live_models.get(model, version)
    with uploaded_path(source) as upload, scratch() as folder:
        path, reading = read_form(upload, folder, live.contract)
        header = check_columns(path, live.contract, reading["delimiter"], model=live.classifier)
        reading = recognise(path, reading, live.contract)
        batch = Batch(
            version_id=live.version_id,
            mode=mode,
            hold=hold,
            refuses_unseen=live.strict,
            file_name=plain_name(source.name, "upload.csv"),
            size_bytes=path.stat().st_size,
            header=header,
            reading=reading,
            caller=caller,
            created_by=user,
        )
        with path.open("rb") as file:
            files().save(batch.source_name, File(file))
    with transaction.atomic():
        batch.save()
        transaction.on_commit(lambda: wake(TASK, batch.pk))
    return batch


def fitting(source: File, lives: Sequence[Live]) -> str | None:  # type: ignore[type-arg]
    """The name of the classifier whose features all have a column in a file; None if there is none.

    Of several, it is the one with most features, and of equals the first.
    """
    found = None
    with uploaded_path(source) as upload, scratch() as folder:
        for live in sorted(lives, key=lambda live: -len(live.contract.features)):
            part = folder / str(live.version_id)
            part.mkdir()
            with contextlib.suppress(InvalidInput):
                path, reading = read_form(upload, part, live.contract)
                check_columns(path, live.contract, reading["delimiter"])
                found = live.classifier
                break
    source.seek(0)
    return found


def start_scoring(*, batch: Batch, mode: str) -> None:
    """Queue the scoring of a checked file.

    Raises:
        Conflict: it is not ready to start. InvalidInput: strict, and rows are invalid.
    """
    if mode == Batch.Mode.STRICT and batch.rows_bad:
        raise InvalidInput(
            f"{batch.rows_bad:,} of {batch.rows_total:,} rows are invalid; skip them (mode=lenient), or "
            f"upload a corrected file",
            batch.problems,
        )
    with transaction.atomic():
        if not batch.start_scoring(mode):
            raise Conflict(f"{batch} is {batch.state}; only a checked batch can be started")
        transaction.on_commit(lambda: wake(TASK, batch.pk))


def resume_batch(*, batch: Batch) -> None:
    """Queue a failed or cancelled batch; it continues after the scored rows.

    Raises:
        Conflict: it is in another state, or its file is invalid.
    """
    if batch.is_over and batch.is_refused:
        raise Conflict(f"{batch} ended because its file has invalid rows; upload a corrected file")
    if batch.files_removed_at:
        raise Conflict(f"the files of {batch} were removed to free space; upload the file again")
    with transaction.atomic():
        if not batch.resume():
            raise Conflict(f"{batch} is {batch.state}; only a failed or cancelled batch can be resumed")
        batch.pending_parts.update(attempts=0)
        transaction.on_commit(lambda: wake(TASK, batch.pk))


def execute_batch(batch: Batch) -> bool:
    """Check or score a queued batch. Its row has the result; a refused file leaves nothing in the log.

    Returns:
        Whether there was something to claim.
    """
    previous = batch.claim
    if worker.must_wait() or not batch.start():
        return False
    if previous:
        batch.pending_parts.take_from(previous)
    with worker.kept_alive(batch), _busy_with(batch):
        try:
            _carry_out(batch)
        except Left:
            pass
        except ProblemError as error:
            batch.fail(str(error), **_problems(batch, error))
        except Exception as error:
            if space.says_full(error):
                logger.warning("%s failed: a disk is full", batch)
                batch.fail(space.JOB_ENDED)
            elif isinstance(error, OperationalError | InterfaceError):
                logger.warning("%s is waiting: the database is not responding", batch, exc_info=True)
                _give_back(batch)
            else:
                logger.exception("%s failed", batch)
                batch.fail(f"{type(error).__name__}: {error}"[:2_000])
    return True


def _problems(batch: Batch, error: ProblemError) -> dict[str, Any]:
    """The problems of an error; if it has none, those of the check."""
    if not error.errors:
        return {}
    return {"problems": error.errors, "problem_count": max(batch.problem_count, len(error.errors))}


def _carry_out(batch: Batch) -> None:
    live = live_models.get(batch.version.classifier.name, batch.version.number)
    with local_path(files(), batch.source_name) as path:
        if not batch.checked_at:
            _check(batch, live, path)
        if batch.state == Batch.State.RUNNING:
            _score(batch, live, path)


def _check(batch: Batch, live: Live, path: Path) -> None:
    """Check all rows before scoring starts.

    Raises:
        InvalidInput: no row can be scored, or not all rows in strict mode.
    """
    began = noted = time.monotonic()

    def note(rows: int, size: int) -> None:
        nonlocal noted
        now = time.monotonic()
        if now - noted >= NOTE_SECONDS:
            noted = now
            _go_on(batch, batch.note(rows_done=rows, pace=rows / (now - began), bytes_done=size))

    with scratch() as folder:
        errors = folder / "errors.csv"
        verdict = check_rows(
            path,
            live.contract,
            delimiter=batch.delimiter,
            notations=batch.notations,
            strict=batch.refuses_unseen,
            errors=errors,
            note=note,
        )
        if errors.exists():
            with errors.open("rb") as file:
                files().save(batch.errors_name, File(file))
    reason = _refused(verdict, batch)
    results = {
        "rows_total": verdict.rows,
        "rows_bad": verdict.bad,
        "rows_unseen": verdict.unseen,
        # the level stays that of the check, so that all parts of the result have the same columns
        "preview": verdict.preview | {"set_level": live.set_level if live.least else 0},
        "problems": verdict.problems,
        "problem_count": verdict.problem_count,
    }
    with transaction.atomic():
        if not reason:
            parts = (
                PendingPart(batch=batch, number=number, **vars(place))
                for number, place in enumerate(verdict.places)
            )
            PendingPart.objects.bulk_create(parts)
        is_ours = batch.close_check(hold=batch.hold and not reason, **results)
        if not is_ours:
            raise Left
    _go_on(batch, is_ours)
    if verdict.bad:
        refusals.add(live.version_id, [REFUSED_IN_FILE] * verdict.bad)
        refusals.flush()
    if reason:
        raise InvalidInput(reason, verdict.problems)


def _refused(verdict: Verdict, batch: Batch) -> str:
    """The reason why a checked file is not scored; empty if it can be."""
    if verdict.bad == verdict.rows:
        return f"all {verdict.rows:,} rows were refused; nothing was scored"
    if verdict.bad and batch.mode == Batch.Mode.STRICT and not batch.hold:
        return f"{verdict.bad:,} of {verdict.rows:,} rows were refused; nothing was scored"
    return ""


def _score(batch: Batch, live: Live, path: Path) -> None:
    """Score the parts that are not yet logged, with the help of other workers."""
    if batch.begin_scoring() is None or batch.claim is None:
        raise Left
    # a worker of an earlier release logs parts without deleting them here
    batch.pending_parts.filter(number__in=batch.parts.values("number")).delete()
    if not batch.pending_parts.exists():
        plan(batch, path)
    began, before, token = time.monotonic(), batch.rows_done, batch.claim
    call = HelpCall(batch)

    def note(rows: int) -> bool:
        pace = (batch.rows_done + rows - before) / (time.monotonic() - began)
        return batch.note_part(rows=rows, pace=pace)

    def go_on() -> None:
        _go_on(batch, True)
        call.repeat()

    scorer = Scorer(batch, live, path, files(), token, note, go_on)
    call.repeat()
    scorer.score_all()
    while batch.pending_parts.exists():
        # helpers score the others, unless they are lost
        worker.stopping.wait(WAIT_SECONDS)
        _go_on(batch, batch.renew())
        if batch.pending_parts.claimable().exists():
            scorer.score_all()
    summary = batch_counts.add(batch.parts.values_list("summary", flat=True).iterator())
    batch.succeed(summary)


def help_with_batch(batch: Batch) -> None:
    """Score parts of a batch that another worker executes, until it has none left to claim."""
    if batch.state != Batch.State.RUNNING or not batch.id_prefix or worker.must_wait():
        return
    with _busy_with(batch) as is_only:
        if not is_only:
            return
        live = live_models.get(batch.version.classifier.name, batch.version.number)

        def go_on() -> None:
            may = batch.state in {Batch.State.RUNNING, Batch.State.QUEUED} and not batch.cancel_requested_at
            if not may or worker.stopping.is_set():
                raise Left

        def note(rows: int) -> bool:
            return batch.note_part_of_helper(rows=rows)

        try:
            with local_path(files(), batch.source_name) as path:
                Scorer(batch, live, path, files(), uuid.uuid4(), note, go_on).score_all()
        except Left:
            pass
        except Exception:
            # the owner meets the same problem, and tells it
            logger.warning("%s: this worker stopped helping", batch, exc_info=True)


@contextlib.contextmanager
def _busy_with(batch: Batch) -> Iterator[bool]:
    """Tell whether this process works on a batch with this thread alone; several would wait for one interpreter."""
    with _lock:
        is_only = batch.pk not in _at_work
        _at_work[batch.pk] += 1
    try:
        yield is_only
    finally:
        with _lock:
            _at_work[batch.pk] -= 1
            if not _at_work[batch.pk]:
                del _at_work[batch.pk]


class HelpCall:
    """Calls other workers to help with a batch, again and again, because they may become free or start later."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._called = 0.0

    def repeat(self) -> None:
        """Call if the last call is some time ago, and there are other workers and parts for them."""
        if time.monotonic() - self._called < CALL_SECONDS:
            return
        self._called = time.monotonic()
        others = Heartbeat.objects.alive().count() - 1
        if others > 0:
            free = self._batch.pending_parts.claimable().count()
            # some reach this process, which is busy
            for _ in range(min(2 * others, free, MOST_CALLS)):
                wake(HELP, self._batch.pk)


def _go_on(batch: Batch, is_ours: bool) -> None:
    """Return if the work may continue.

    Raises:
        Left: the batch has another owner, was cancelled, or returns to the queue because this worker stops.
    """
    if not is_ours:
        raise Left
    if batch.state != Batch.State.RUNNING:
        return
    if batch.cancel_requested_at:
        batch.cancel()
        raise Left
    if worker.stopping.is_set():
        batch.release()
        raise Left


def _give_back(batch: Batch) -> None:
    """Queue a batch again when the database answers; if that takes longer than its lease, the sweeper does it."""
    end = time.monotonic() + LEASE.total_seconds()
    while time.monotonic() < end and not worker.stopping.wait(1):
        close_old_connections()
        try:
            if batch.release():
                wake(TASK, batch.pk)
        except (OperationalError, InterfaceError):
            continue
        return
