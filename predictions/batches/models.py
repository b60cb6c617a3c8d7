"""The parts of a file that are still to be scored."""

import uuid
from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from clfsite.core.jobs.models import ATTEMPTS
from training.ml.files.blocks import Place

# parts among which a worker looks for one that no other has claimed first
_CHOICES = 8


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
