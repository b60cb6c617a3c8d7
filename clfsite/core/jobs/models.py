"""Jobs: rows that one process at a time owns, and the heartbeats of the workers that own them."""

import os
import socket
import uuid
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now
from django.utils import timezone

# an owner renews its lease every few seconds; without a renewal another process may take the job over. Leases are
# written and judged by the database's clock alone: those of machines differ
LEASE = timedelta(seconds=20)
# none was given for so long, except by a clock that was set back since
IMPOSSIBLE = 2 * LEASE
ATTEMPTS = 3


class Job(models.Model):
    """Work that waits in a queue, is claimed with a token and a lease, and ends; only these methods change its state."""

    QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "queued", "running", "succeeded", "failed", "cancelled"
    OVER: ClassVar[tuple[str, ...]] = (SUCCEEDED, FAILED, CANCELLED)
    # states in which nobody has it, and those in which one process does
    WAITING: ClassVar[tuple[str, ...]] = (QUEUED,)
    OWNED: ClassVar[tuple[str, ...]] = (RUNNING,)

    state = models.CharField(max_length=10, default=QUEUED)
    claim = models.UUIDField(
        null=True, blank=True, editable=False, help_text="Token of the process that owns the run."
    )
    attempt = models.PositiveSmallIntegerField(default=0, help_text="How often it was begun.")
    attempts_without_progress = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="How often it was begun since it last got further than before."
    )
    lease_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Until when its owner is taken to be alive; another may begin it anew after.",
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def is_over(self) -> bool:
        return self.state in self.OVER

    @property
    def is_resumable(self) -> bool:
        """Whether `resume` may queue it again."""
        return self.state in {self.FAILED, self.CANCELLED}

    def start(self) -> bool:
        """Claim a queued job, or one whose owner has not been heard of; False when there is nothing to claim.

        A job that three processes in a row were lost with, none of which got further, fails instead.
        """
        now = timezone.now()
        orphaned = self.lost()
        reason = f"gave up after {ATTEMPTS} attempts without progress: the process or its machine was lost each time"
        self._rows().filter(orphaned, attempts_without_progress__gte=ATTEMPTS).update(
            state=self.FAILED, finished_at=now, error=reason
        )
        self.claim = uuid.uuid4()
        claimed = (
            self._rows()
            .filter(orphaned | Q(state=self.QUEUED))
            .update(
                **{
                    "state": self.RUNNING,
                    "claim": self.claim,
                    "attempt": F("attempt") + 1,
                    "attempts_without_progress": F("attempts_without_progress") + 1,
                    "started_at": now,
                    "lease_until": Now() + LEASE,
                    **self.begun(),
                }
            )
        )
        if claimed:
            self.refresh_from_db()
        return bool(claimed)

    @classmethod
    def lost(cls) -> Q:
        """Which jobs have an owner that was not heard of for the time of its lease."""
        expired = Q(lease_until__lt=Now()) | Q(lease_until__gt=Now() + IMPOSSIBLE)
        return Q(state__in=cls.OWNED) & expired

    def begun(self) -> dict[str, Any]:
        """What else to write into the row when it is claimed."""
        return {}

    def renew(self) -> bool:
        """Say that the owner is alive; False when the job is no longer its own."""
        return self.change(self.OWNED, lease_until=Now() + LEASE)

    def release(self) -> bool:
        """Give the job back to the queue as if it had not been begun, because its worker ends."""
        return self.change(
            self.OWNED,
            state=self.QUEUED,
            attempt=F("attempt") - 1,
            # 0 where this attempt got further
            attempts_without_progress=Greatest(F("attempts_without_progress") - 1, 0),
            started_at=None,
            lease_until=None,
        )

    def resume(self, **values: Any) -> bool:
        """Queue a job that failed or was cancelled; False when it is in another state."""
        queued = {
            "state": self.QUEUED,
            "attempts_without_progress": 0,
            "started_at": None,
            "finished_at": None,
            "cancel_requested_at": None,
            "lease_until": None,
            "error": "",
        }
        return self.change((self.FAILED, self.CANCELLED), **{**queued, **values})

    def fail(self, reason: str, **values: Any) -> bool:
        """Close the job with the reason, whether it had begun or not; False when it was over or is another's."""
        closed = {"state": self.FAILED, "finished_at": timezone.now(), "error": reason, **values}
        # also one that waits is another's if a later owner had it and gave it back
        rows = self._rows().filter(state__in=(*self.WAITING, *self.OWNED), claim=self.claim)
        changed = bool(rows.update(**closed))
        if changed:
            self.refresh_from_db()
        return changed

    def request_cancel(self) -> bool:
        """Ask for the end of the job; one that waits ends at once, a running one when its owner sees it."""
        now = timezone.now()
        if self.change(self.WAITING, state=self.CANCELLED, finished_at=now, cancel_requested_at=now):
            return True
        asked = self._rows().filter(state__in=self.OWNED).update(cancel_requested_at=now)
        self.refresh_from_db()
        return bool(asked)

    def cancel(self) -> bool:
        """Close the job as cancelled; its owner calls this once nothing of it runs any more."""
        return self.change(self.OWNED, state=self.CANCELLED, finished_at=timezone.now())

    def change(self, from_states: tuple[str, ...], **values: Any) -> bool:
        """Update the row only while it is in one of the states, and ours where they have an owner."""
        rows = self._rows().filter(state__in=from_states)
        if from_states == self.OWNED:
            rows = rows.filter(claim=self.claim)
        changed = bool(rows.update(**values))
        if changed:
            self.refresh_from_db()
        return changed

    def _rows(self) -> models.QuerySet[Any]:
        return type(self)._default_manager.filter(pk=self.pk)


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def alive(self) -> Self:
        """Workers that were heard of a moment ago."""
        return self.filter(at__gte=Now() - Heartbeat.SILENCE)

    def beat(self) -> None:
        """Say that the worker of this process is alive."""
        self.update_or_create(worker=f"{socket.gethostname()}:{os.getpid()}", defaults={"at": Now()})

    def forget_old(self) -> None:
        """Drop the workers that nobody has heard of for a day."""
        self.filter(at__lt=Now() - timedelta(days=1)).delete()


class Heartbeat(models.Model):
    """When a worker was last heard of, by the database's clock; it says so every few seconds, in a row of its own."""

    # several times as long as a worker leaves between two
    SILENCE = timedelta(seconds=30)

    worker = models.CharField(primary_key=True, max_length=255, help_text="Machine and process.")
    at = models.DateTimeField()

    objects = HeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.worker} at {self.at:%Y-%m-%d %H:%M:%S} UTC"
