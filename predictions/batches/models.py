"""Batches with their parts: those that are stored, and those that are still to be scored."""

import uuid
from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from clfsite.core.jobs.models import ATTEMPTS, Job
from training.ml.files.blocks import Place
from training.ml.files.notation import Notation
from training.models import Version

# parts among which a worker looks for one that no other has claimed first
_CHOICES = 8


def new_folder() -> str:
    """Return a unique name for the folder of a batch."""
    return str(uuid.uuid4())


class Batch(Job):
    """A CSV file that is scored as a job: first checked, then scored in parts. Only its methods change its state."""

    class State(models.TextChoices):
        QUEUED = Job.QUEUED
        RUNNING = Job.RUNNING
        CHECKED = "checked"
        SUCCEEDED = Job.SUCCEEDED
        FAILED = Job.FAILED
        CANCELLED = Job.CANCELLED

    class Mode(models.TextChoices):
        STRICT = "strict"
        LENIENT = "lenient"

    WAITING = (State.QUEUED, State.CHECKED)
    LEASE = timedelta(seconds=5)

    version = models.ForeignKey(Version, models.PROTECT, related_name="batches")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    mode = models.CharField(
        max_length=10,
        choices=Mode,
        default=Mode.STRICT,
        help_text="Whether an invalid row stops the batch, or the valid rows are scored.",
    )
    hold = models.BooleanField(
        default=False, help_text="Whether it waits after the check until a person starts the scoring."
    )
    refuses_unseen = models.BooleanField(
        default=False, help_text="Whether the classifier was strict at the time of the upload."
    )
    caller = models.CharField(max_length=150)
    file_name = models.CharField(max_length=255, help_text="Name of the uploaded file.")
    folder = models.CharField(max_length=36, default=new_folder, editable=False)
    size_bytes = models.PositiveBigIntegerField(default=0)
    header = models.JSONField(default=list, help_text="The names of the file's columns.")
    reading = models.JSONField(
        default=dict,
        help_text="How the file was read: its form, what was recognised, and the notation of columns that differ from "
        "the training table.",
    )
    preview = models.JSONField(
        default=dict, help_text="Its first rows, and the invalid and unseen values of each feature."
    )
    problems = models.JSONField(default=list, help_text="The first problems of the file by line and column.")
    problem_count = models.PositiveIntegerField(default=0)
    checked_at = models.DateTimeField(null=True, blank=True)
    bytes_done = models.PositiveBigIntegerField(default=0, help_text="Bytes of the file that are checked.")
    rows_total = models.PositiveIntegerField(default=0)
    rows_bad = models.PositiveIntegerField(default=0)
    rows_unseen = models.PositiveIntegerField(
        default=0, help_text="Rows with a value outside the training data."
    )
    rows_done = models.PositiveIntegerField(
        default=0, help_text="Rows that are checked, and then scored or skipped."
    )
    pace = models.FloatField(null=True, blank=True, help_text="Rows per second of the current phase.")
    scoring_at = models.DateTimeField(
        null=True, blank=True, help_text="Time at which its first row was scored."
    )
    id_prefix = models.CharField(
        max_length=28, blank=True, editable=False, help_text="First characters of the ids of its predictions."
    )
    summary = models.JSONField(default=dict, help_text="Counts for its charts.")
    files_removed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Time at which its files were removed to free space."
    )

    class Meta:
        app_label = "predictions"
        ordering = ["-id"]
        verbose_name_plural = "batches"
        indexes = [models.Index(fields=["state"], name="batch_state")]
        constraints = [
            models.CheckConstraint(
                name="batch_finished_has_time",
                condition=Q(state__in=["queued", "running", "checked"], finished_at=None)
                | Q(state__in=["succeeded", "failed", "cancelled"], finished_at__isnull=False),
            ),
            models.CheckConstraint(name="batch_failed_has_reason", condition=~Q(state="failed", error="")),
            models.CheckConstraint(name="batch_running_has_owner", condition=~Q(state="running", claim=None)),
            models.CheckConstraint(
                name="batch_waits_checked", condition=~Q(state="checked", checked_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"

    @property
    def delimiter(self) -> str:
        """The character between the cells of the stored file; "" if it is to be recognised."""
        return str(self.reading.get("delimiter", ""))

    @property
    def notations(self) -> dict[str, Notation]:
        """The notations of columns that differ from those of the training table."""
        return {name: Notation.from_dict(data) for name, data in self.reading.get("columns", {}).items()}

    @property
    def source_name(self) -> str:
        return f"{self.folder}/source.csv"

    @property
    def errors_name(self) -> str:
        return f"{self.folder}/errors.csv"

    def part_name(self, number: int) -> str:
        """Return the file name of the predictions of a part."""
        return f"{self.folder}/answers-{number:06}.csv"

    @property
    def rows_good(self) -> int:
        """The number of rows that can be scored."""
        return self.rows_total - self.rows_bad

    @property
    def percent(self) -> int:
        """The progress in percent of the check, and after it of the scoring."""
        done, whole = (
            (self.rows_done, self.rows_total) if self.checked_at else (self.bytes_done, self.size_bytes)
        )
        return min(100 * done // whole, 100) if whole else 0

    @property
    def seconds_left(self) -> float | None:
        """The seconds left of the scoring at its pace so far; None if unknown."""
        if self.state != self.State.RUNNING or not self.checked_at or not self.pace:
            return None
        return (self.rows_total - self.rows_done) / self.pace

    def note(self, *, rows_done: int, pace: float | None, bytes_done: int = 0) -> bool:
        """Store the progress; return False if another process owns the batch now."""
        return self.change(self.OWNED, rows_done=rows_done, pace=pace, bytes_done=bytes_done)

    def note_part(self, *, rows: int, pace: float) -> bool:
        """Store the progress by a part, which later attempts skip; return False as `note` does."""
        return self.change(
            self.OWNED, rows_done=F("rows_done") + rows, pace=pace, attempts_without_progress=0
        )

    def note_part_of_helper(self, *, rows: int) -> bool:
        """Store the progress by a part that a helper scored; return False if the scoring has ended."""
        return self.change(
            (self.State.RUNNING, self.State.QUEUED),
            rows_done=F("rows_done") + rows,
            attempts_without_progress=0,
        )

    def close_check(self, *, hold: bool, **results: Any) -> bool:
        """Store the results of the check; if `hold`, wait for `start_scoring`. Return False as `note` does."""
        waits = {"state": self.State.CHECKED, "attempt": 0, "lease_until": None} if hold else {}
        values = {"attempts_without_progress": 0, **results, **waits}
        return self.change(self.OWNED, checked_at=timezone.now(), rows_done=0, pace=None, **values)

    @property
    def is_refused(self) -> bool:
        """Whether the batch ended because of errors in its file, so another attempt would end the same way."""
        if not self.checked_at:
            return bool(self.problems)
        return self.rows_bad == self.rows_total or (
            self.rows_bad > 0 and self.mode == self.Mode.STRICT and not self.hold
        )

    @property
    def is_resumable(self) -> bool:
        return super().is_resumable and not self.is_refused and self.files_removed_at is None

    def start_scoring(self, mode: str) -> bool:
        """Queue the scoring of a checked file; return False if the batch does not wait for it."""
        return self.change(
            (self.State.CHECKED,), state=self.State.QUEUED, mode=mode, hold=False, started_at=None
        )

    def resume(self, **values: Any) -> bool:
        """Queue a failed or cancelled batch, which continues after its last part; return False in other states.

        A batch that was discarded while it waited for `start_scoring` waits for it again. One without files cannot.
        """
        self.refresh_from_db(fields=["files_removed_at"])
        if self.files_removed_at:
            return False
        waits = {"state": self.State.CHECKED} if self.checked_at and self.hold else {}
        return super().resume(**waits, **values)

    def begin_scoring(self) -> datetime | None:
        """Choose the prefix of the prediction ids once, so a row has the same id in all attempts.

        Returns:
            The time when the scoring first began; None if another process owns the batch now.
        """
        if not self.id_prefix:
            # the last eight hexadecimal digits are the number of the row
            self.change(self.OWNED, id_prefix=str(uuid7())[:-8], scoring_at=timezone.now())
        return self.scoring_at

    def succeed(self, summary: dict[str, Any]) -> bool:
        """Mark the batch as succeeded; return False if another process owns it now."""
        return self.change(
            self.OWNED, state=self.State.SUCCEEDED, finished_at=timezone.now(), summary=summary
        )


class BatchPart(models.Model):
    """A block of a batch's rows whose predictions are stored; the row and the log are written in one transaction."""

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField(help_text="Position in the file, from 0.")
    rows = models.PositiveIntegerField(help_text="Scored rows.")
    size_bytes = models.PositiveBigIntegerField()
    summary = models.JSONField(help_text="Counts for the charts.")

    class Meta:
        app_label = "predictions"
        ordering = ["batch", "number"]
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="batch_part_once")]

    def __str__(self) -> str:
        return f"part {self.number} of {self.batch_id}"


class PendingPartQuerySet(models.QuerySet["PendingPart"]):
    def claimable(self) -> Self:
        """The parts that no living worker has claimed."""
        lost = Q(lease_until__lt=Now()) | Q(lease_until__gt=Now() + 2 * PendingPart.LEASE)
        return self.filter(Q(lease_until=None) | lost)

    def claim(self, token: uuid.UUID, rows_done: int) -> "PendingPart | None":
        """Claim the first claimable part; None if there is none.

        Args:
            rows_done: number of scored rows of the batch, by which attempts without progress are told.
        """
        while parts := list(self.claimable().order_by("number")[:_CHOICES]):
            for part in parts:
                attempts = part.attempts + 1 if part.rows_done == rows_done else 1
                free = self.claimable().filter(pk=part.pk, attempts=part.attempts)
                if free.update(
                    claim=token, lease_until=Now() + PendingPart.LEASE, attempts=attempts, rows_done=rows_done
                ):
                    part.claim, part.attempts = token, attempts
                    return part
        return None

    def renew(self, token: uuid.UUID) -> None:
        """Renew the leases of a worker."""
        self.filter(claim=token).update(lease_until=Now() + PendingPart.LEASE)

    def release(self, token: uuid.UUID) -> None:
        """Return the parts of a worker, as if it had not claimed them."""
        self.filter(claim=token).update(claim=None, lease_until=None, attempts=F("attempts") - 1)

    def take_from(self, token: uuid.UUID) -> None:
        """Make the parts of a lost worker claimable before their leases expire."""
        self.filter(claim=token).update(claim=None, lease_until=None)

    def close(self, part: "PendingPart") -> bool:
        """Delete a scored part; return False if another worker has it now. Call it in the transaction that logs it."""
        return bool(self.filter(pk=part.pk, claim=part.claim).delete()[0])


class PendingPart(models.Model):
    """A block of a batch's file that is still to be scored. Workers claim it with a lease; it is deleted with its log."""

    LEASE = timedelta(seconds=5)
    # the first of them may belong to a worker that got further before
    MOST_ATTEMPTS = ATTEMPTS + 1

    batch = models.ForeignKey("Batch", models.CASCADE, related_name="pending_parts", db_index=False)
    number = models.PositiveIntegerField(help_text="Position in the file, from 0.")
    begin = models.PositiveBigIntegerField(help_text="Bytes of the file before it.")
    end = models.PositiveBigIntegerField(help_text="Bytes of the file up to its end.")
    line = models.PositiveIntegerField(help_text="Lines of the file before it.")
    row = models.PositiveIntegerField(help_text="Rows below the header before it.")
    claim = models.UUIDField(null=True, blank=True, help_text="Token of the worker that scores it.")
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.SmallIntegerField(default=0, help_text="How often it was begun without progress.")
    rows_done = models.PositiveIntegerField(null=True, help_text="Of the batch, when it was begun.")

    objects = PendingPartQuerySet.as_manager()

    class Meta:
        app_label = "predictions"
        ordering = ["batch", "number"]
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="pending_part_once")]

    def __str__(self) -> str:
        return f"pending part {self.number} of {self.batch_id}"

    @property
    def place(self) -> Place:
        """Where it is in the file."""
        return Place(self.begin, self.end, self.line, self.row)
