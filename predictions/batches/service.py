"""CSV files scored in the background: stored, checked, then scored and logged in parts.

Parts record the progress: the results of a part are stored, and its row is written in one transaction with
the rows of the log. A process that takes over the job continues after the last part. Everything about a
prediction, including its id, depends only on the batch and the row, so the result is identical to the byte
after any number of attempts.
"""

import contextlib
import logging
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    transaction,
)

from clfsite.core.errors import Conflict, InvalidInput, ProblemError
from clfsite.core.jobs import worker
from clfsite.core.jobs.models import LEASE
from clfsite.core.jobs.queue import wake
from clfsite.core.storage import space
from clfsite.core.storage.files import local_path, plain_name, scratch, uploaded_path
from clfsite.core.web.metrics import child
from predictions.batches import counts as batch_counts
from predictions.batches.answers import Answerer, Answers
from predictions.batches.check import Verdict, check_columns, check_rows, read_form, recognise
from predictions.log import rows as log
from predictions.models import Batch
from predictions.monitoring import refusals
from predictions.serving import metrics, predict
from predictions.serving.live_models import Live, live_models
from training.datasets.service import as_invalid_input
from training.ml.files.blocks import read_blocks
from training.ml.files.reading import TableError, delimiter_of

T = TypeVar("T")
logger = logging.getLogger(__name__)

TASK = "predictions.tasks.score_batch"
# the reason by which bad rows of files are counted
REFUSED_IN_FILE = "bad_row_of_file"


class _Left(Exception):
    """The job belongs to another process or has to stop, according to its row."""


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
        header = check_columns(path, live.contract, reading["delimiter"])
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
        transaction.on_commit(lambda: wake(TASK, batch.pk))


def execute_batch(batch: Batch) -> bool:
    """Check or score a queued batch. Its row has the result; a refused file leaves nothing in the log.

    Returns:
        Whether there was something to claim.
    """
    if worker.must_wait() or not batch.start():
        return False
    with worker.kept_alive(batch):
        try:
            _carry_out(batch)
        except _Left:
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
    began = time.monotonic()

    def note(rows: int, size: int) -> None:
        _go_on(batch, batch.note(rows_done=rows, pace=rows / (time.monotonic() - began), bytes_done=size))

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
        "preview": verdict.preview,
        "problems": verdict.problems,
        "problem_count": verdict.problem_count,
    }
    _go_on(batch, batch.close_check(hold=batch.hold and not reason, **results))
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
    """Score the rows after the last part."""
    since = batch.begin_scoring()
    if since is None:
        raise _Left
    done, began, before = batch.parts.count(), time.monotonic(), batch.rows_done
    delimiter = batch.delimiter or delimiter_of(path)
    answerer = Answerer(batch, live, delimiter=delimiter, since=since)
    try:
        with contextlib.closing(
            _ahead(answerer.answer_all(read_blocks(path, delimiter, skip=done)))
        ) as coming:
            for number, answers in enumerate(coming, start=done):
                pace = (answers.end - before) / (time.monotonic() - began)
                _log(batch, live, number, answers, pace)
    except TableError as error:
        raise as_invalid_input(error) from error
    summary = batch_counts.add(batch.parts.values_list("summary", flat=True).iterator())
    batch.succeed(summary)


def _ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items, each made while the previous one is in use, so scoring and writing overlap."""
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _log(batch: Batch, live: Live, number: int, answers: Answers, pace: float) -> None:
    """Store a part of the result and log its rows: all or none.

    Raises:
        _Left: another process owns the batch, or this one has to stop.
    """
    began = time.perf_counter()
    files().save(batch.part_name(number), ContentFile(answers.content))
    try:
        with transaction.atomic():
            log.write([answers.log_rows], len(answers.log_rows))
            batch.parts.create(
                number=number,
                rows=len(answers.log_rows),
                size_bytes=len(answers.content),
                summary=answers.counts,
            )
            if not batch.note_part(rows_done=answers.end, pace=pace):
                raise _Left
    except IntegrityError as error:
        # the process that took over wrote this part first
        if Batch.objects.filter(pk=batch.pk, claim=batch.claim).exists():
            raise
        raise _Left from error
    child(metrics.logging_seconds, live.classifier).observe(time.perf_counter() - began)
    predict.count(live, [answers.log_rows], answers.unseen)
    _go_on(batch, True)


def _go_on(batch: Batch, is_ours: bool) -> None:
    """Return if the work may continue.

    Raises:
        _Left: the batch has another owner, was cancelled, or returns to the queue because this worker stops.
    """
    if not is_ours:
        raise _Left
    if batch.state != Batch.State.RUNNING:
        return
    if batch.cancel_requested_at:
        batch.cancel()
        raise _Left
    if worker.stopping.is_set():
        batch.release()
        raise _Left


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
