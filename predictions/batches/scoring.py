"""The parts of a checked file: claimed by any worker, scored, and logged once each.

While one part is logged, the next one is scored. Everything about a prediction, including its id, depends only on the batch
and the row, so the result is the same no matter which worker scores a part, or how often.
"""

import contextlib
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import DatabaseError, IntegrityError, transaction

from clfsite.core.errors import ProblemError
from clfsite.core.jobs import worker
from predictions.batches.answers import Answerer, Answers
from predictions.batches.models import Batch, PendingPart
from predictions.log.writing import rows as log
from predictions.serving import metrics, predict
from predictions.serving.live_models import Live
from training.datasets.service import as_invalid_input
from training.ml.files.blocks import read_block, read_blocks
from training.ml.files.reading import TableError, delimiter_of

# parts that a worker scores ahead of the one that it logs
_AHEAD = 1


class Left(Exception):
    """The job belongs to another process or has to stop, according to its row."""


@dataclass(frozen=True)
class Scorer:
    """A worker of a batch.

    Attributes:
        path: of the batch's file.
        files: where the parts of the result are stored.
        token: by which the worker claims parts.
        note: called in the transaction of a part with its number of rows; returns False if nothing may be logged.
        go_on: called after each part; raises Left if the worker has to stop.
    """

    batch: Batch
    live: Live
    path: Path
    files: Storage
    token: uuid.UUID
    note: Callable[[int], bool]
    go_on: Callable[[], None]

    def score_all(self) -> None:
        """Score and log parts until there is none that no other worker has claimed.

        Raises:
            Left: see above. ProblemError: a part cannot be scored.
        """
        parts = PendingPart.objects
        with worker.renewing(
            lambda: parts.renew(self.token), PendingPart.LEASE, f"the parts of {self.batch}"
        ):
            try:
                self._score_all()
            except Exception as error:
                with contextlib.suppress(DatabaseError):
                    parts.release(self.token)
                if isinstance(error, TableError):
                    raise as_invalid_input(error) from error
                raise

    def _score_all(self) -> None:
        delimiter = self.batch.delimiter or delimiter_of(self.path)
        since = self.batch.scoring_at or self.batch.created_at
        answerer = Answerer(self.batch, self.live, delimiter=delimiter, since=since)

        def score(part: PendingPart) -> Answers:
            answers = answerer.answer(read_block(self.path, delimiter, part.place))
            self.files.save(self.batch.part_name(part.number), ContentFile(answers.content))
            return answers

        coming: deque[tuple[PendingPart, Future[Answers]]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
            while (part := self._claim()) or coming:
                if part:
                    coming.append((part, pool.submit(score, part)))
                if not part or len(coming) > _AHEAD:
                    scored, answers = coming.popleft()
                    self._log(scored, answers.result())
                    self.go_on()

    def _claim(self) -> PendingPart | None:
        part = self.batch.pending_parts.claim(self.token, self.batch.rows_done)
        if part and part.attempts > PendingPart.MOST_ATTEMPTS:
            raise ProblemError(
                f"gave up after {PendingPart.MOST_ATTEMPTS} attempts without progress: each time the process or its "
                f"machine was lost with the rows from {part.row + 1:,} on"
            )
        return part

    def _log(self, part: PendingPart, answers: Answers) -> None:
        """Log the rows of a part, and store that it is done: all or none."""
        began = time.perf_counter()
        try:
            with transaction.atomic():
                log.write([answers.log_rows])
                self.batch.parts.create(
                    number=part.number,
                    rows=len(answers.log_rows),
                    size_bytes=len(answers.content),
                    summary=answers.counts,
                )
                if not PendingPart.objects.close(part) or not self.note(answers.rows):
                    raise Left
        except IntegrityError as error:
            # the process that took over wrote this part first
            if PendingPart.objects.filter(pk=part.pk, claim=self.token).exists():
                raise
            raise Left from error
        metrics.step("commit", time.perf_counter() - began, self.live.classifier)
        predict.count(self.live, answers.log_rows, answers.unseen)


def plan(batch: Batch, path: Path) -> None:
    """Store which parts of a file are still to be scored, for a batch that an earlier release checked."""
    done = set(batch.parts.values_list("number", flat=True))
    try:
        places = [block.place for block in read_blocks(path, batch.delimiter)]
    except TableError as error:
        raise as_invalid_input(error) from error
    PendingPart.objects.bulk_create(
        PendingPart(batch=batch, number=number, **vars(place))
        for number, place in enumerate(places)
        if number not in done
    )
