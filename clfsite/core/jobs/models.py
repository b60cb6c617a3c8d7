"""Jobs: rows that are owned by one process at a time, and the heartbeats of workers."""

import os
import secrets
import socket
import uuid
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from clfsite.core.requests import access_log

# an owner renews its lease every few seconds; without a renewal another process may take over the job. Leases
# use only the database's clock, because the clocks of machines differ
LEASE = timedelta(seconds=20)
ATTEMPTS = 3


class Job(models.Model):
    """A job waits in a queue, is claimed with a token and a lease, and ends. Only these methods change its state."""

    QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "queued", "running", "succeeded", "failed", "cancelled"
    OVER: ClassVar[tuple[str, ...]] = (SUCCEEDED, FAILED, CANCELLED)
    # states without an owner, and states with one
    WAITING: ClassVar[tuple[str, ...]] = (QUEUED,)
    OWNED: ClassVar[tuple[str, ...]] = (RUNNING,)
    # time after which another process may take over the job of an owner that does not renew its lease
    LEASE: ClassVar[timedelta] = LEASE

    state = models.CharField(max_length=10, default=QUEUED)
    claim = models.UUIDField(
        null=True, blank=True, editable=False, help_text="Token of the process that owns the run."
    )
    attempt = models.PositiveSmallIntegerField(default=0, help_text="Number of attempts.")
    attempts_without_progress = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Number of attempts since the last progress."
    )
    lease_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Until when its owner holds it; after that, another process may restart it.",
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    # with a default of the database, because the previous release does not write it
    request_id = models.CharField(
        max_length=access_log.LONGEST_ID,
        default=access_log.current_id,
        db_default="",
        blank=True,
        editable=False,
        help_text="The id of the call that created it; empty without one.",
    )

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
        """Claim a queued job, or one whose owner is lost; False if there is nothing to claim.

        A job that lost three processes in a row without progress fails instead.
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
                    "lease_until": Now() + self.LEASE,
                    **self.begun(),
                }
            )
        )
        if claimed:
            self.refresh_from_db()
        return bool(claimed)

    @classmethod
    def lost(cls) -> Q:
        """The condition for jobs whose owner did not renew its lease in time."""
        # no lease is twice as long, unless the clock was set back since
        expired = Q(lease_until__lt=Now()) | Q(lease_until__gt=Now() + 2 * cls.LEASE)
        return Q(state__in=cls.OWNED) & expired

    def begun(self) -> dict[str, Any]:
        """Further fields of the row to set with the claim."""
        return {}

    def renew(self) -> bool:
        """Renew the lease of the owner; False if the job has another owner."""
        return self.change(self.OWNED, lease_until=Now() + self.LEASE)

    def release(self) -> bool:
        """Return the job to the queue as if it had not been started, because its worker stops."""
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
        """Queue a failed or cancelled job; False if it is in another state."""
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
        """Mark the job as failed with the reason; False if it has ended or has another owner."""
        closed = {"state": self.FAILED, "finished_at": timezone.now(), "error": reason, **values}
        # a queued job may also belong to another owner that has returned it since
        rows = self._rows().filter(state__in=(*self.WAITING, *self.OWNED), claim=self.claim)
        changed = bool(rows.update(**closed))
        if changed:
            self.refresh_from_db()
        return changed

    def request_cancel(self) -> bool:
        """Request cancellation. A queued job ends at once, a running one when its owner notices."""
        now = timezone.now()
        if self.change(self.WAITING, state=self.CANCELLED, finished_at=now, cancel_requested_at=now):
            return True
        asked = self._rows().filter(state__in=self.OWNED).update(cancel_requested_at=now)
        self.refresh_from_db()
        return bool(asked)

    def cancel(self) -> bool:
        """Mark the job as cancelled; its owner calls this when all its processes have stopped."""
        return self.change(self.OWNED, state=self.CANCELLED, finished_at=timezone.now())

    def change(self, from_states: tuple[str, ...], **values: Any) -> bool:
        """Update the row only if it is in one of the states and, for states with an owner, ours."""
        rows = self._rows().filter(state__in=from_states)
        if from_states == self.OWNED:
            rows = rows.filter(claim=self.claim)
        changed = bool(rows.update(**values))
        if changed:
            self.refresh_from_db()
        return changed

    def _rows(self) -> models.QuerySet[Any]:
        return type(self)._default_manager.filter(pk=self.pk)


def clock_ahead() -> float:
    """The seconds by which the clock of this machine is ahead of the database's; one query."""
    if connection.vendor != "postgresql":
        return 0.0  # SQLite has no clock of its own
    with connection.cursor() as cursor:
        # not now(), which is the start of a transaction
        cursor.execute("SELECT clock_timestamp()")
        (moment,) = cursor.fetchone()
    seconds: float = (timezone.now() - moment).total_seconds()
    return seconds


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def alive(self) -> Self:
        """The workers with a recent heartbeat."""
        return self.filter(at__gte=Now() - Heartbeat.SILENCE)

    def beat(self) -> None:
        """Write the heartbeat of the worker of this process."""
        values = {"at": Now(), "clock_ahead": clock_ahead()}
        self.update_or_create(worker=f"{socket.gethostname()}:{os.getpid()}", defaults=values)

    def forget_old(self) -> None:
        """Delete workers without a heartbeat for a day."""
        self.filter(at__lt=Now() - timedelta(days=1)).delete()


class Heartbeat(models.Model):
    """The last heartbeat of a worker, by the database's clock. Each worker updates its own row every few seconds."""

    # several times the interval between two heartbeats
    SILENCE = timedelta(seconds=30)

    worker = models.CharField(primary_key=True, max_length=255, help_text="Machine and process.")
    at = models.DateTimeField()
    clock_ahead = models.FloatField(
        null=True, help_text="Seconds by which the machine's clock is ahead of the database's."
    )

    objects = HeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.worker} at {self.at:%Y-%m-%d %H:%M:%S} UTC"


class ChoreQuerySet(models.QuerySet["Chore"]):
    def claim(self, name: str, every: timedelta) -> bool:
        """Begin a chore if it is due; False if it is not, or another worker was first.

        One that was begun and not finished is due again after `Chore.PATIENCE`.
        """
        self.get_or_create(name=name)
        is_due = Q(finished_at__gte=F("begun_at"), begun_at__lt=Now() - every)
        is_lost = Q(begun_at__lt=Now() - Chore.PATIENCE) & (
            Q(finished_at=None) | Q(finished_at__lt=F("begun_at"))
        )
        return bool(self.filter(Q(begun_at=None) | is_due | is_lost, name=name).update(begun_at=Now()))

    def note(self, name: str, result: dict[str, Any]) -> None:
        """Store the result of a chore that was executed."""
        self.get_or_create(name=name)
        self.filter(name=name, begun_at=None).update(begun_at=Now())
        self.filter(name=name).update(finished_at=Now(), result=result)


class Chore(models.Model):
    """Work that one of the workers does from time to time, with the result of the last time."""

    # a chore whose worker was lost is begun again after this time
    PATIENCE = timedelta(hours=6)

    name = models.CharField(primary_key=True, max_length=50)
    begun_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(default=dict)

    objects = ChoreQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class SiteQuerySet(models.QuerySet["Site"]):
    def this(self) -> "Site":
        """The one row; the first that asks creates it."""
        row, _ = self.get_or_create(pk=1, defaults={"key": secrets.token_hex(8)})
        return row


class Site(models.Model):
    """The id of this site; see `clfsite.core.jobs.site`."""

    key = models.CharField(max_length=16)

    objects = SiteQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_site")]

    def __str__(self) -> str:
        return self.key
