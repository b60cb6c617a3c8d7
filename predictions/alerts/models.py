"""Alerts with their history, who is told of them, and the messages that wait to be sent."""

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from training.models import Classifier, Version


class AlertQuerySet(models.QuerySet["Alert"]):
    def open(self) -> Self:
        """The alerts that nobody closed and whose condition holds, acknowledged or not."""
        return self.exclude(state=Alert.State.CLOSED)


class Alert(models.Model):
    """A condition that holds for a classifier. It is opened once, and closed once: by a person, or when it is over.

    A condition that a person closed does not open another alert before it was over.
    """

    class State(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        CLOSED = "closed"

    classifier = models.ForeignKey(Classifier, models.CASCADE, related_name="alerts", db_index=False)
    version = models.ForeignKey(Version, models.CASCADE, related_name="+", db_index=False)
    rule = models.CharField(max_length=40)
    subject = models.CharField(max_length=1_000, blank=True, help_text="The input or label concerned.")
    message = models.TextField()
    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="Time at which the condition ended.")
    announced_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Time at which its messages were written; empty while it is silenced.",
    )

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["classifier", "id"], name="alert_classifier"),
            models.Index(fields=["state", "id"], name="alert_state"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["classifier", "rule", "subject"], condition=Q(ended_at=None), name="alert_opens_once"
            ),
            models.CheckConstraint(
                name="alert_closed_has_time",
                condition=Q(state="closed", closed_at__isnull=False)
                | (~Q(state="closed") & Q(closed_at=None, ended_at=None)),
            ),
        ]

    def __str__(self) -> str:
        return f"alert {self.pk}"


class AlertEvent(models.Model):
    """A change of an alert's state."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="events")
    state = models.CharField(max_length=12, choices=Alert.State)
    actor = models.CharField(max_length=150, blank=True, help_text="A login or a key; empty for the site.")
    note = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.state} by {self.actor or 'the site'}"


class Threshold(models.Model):
    """The limit of a rule for one classifier where it differs from the default."""

    classifier = models.ForeignKey(Classifier, models.CASCADE, related_name="thresholds", db_index=False)
    rule = models.CharField(max_length=40)
    value = models.FloatField(null=True, blank=True, help_text="Empty: the rule is switched off.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["classifier", "rule"], name="threshold_once")]

    def __str__(self) -> str:
        return f"{self.rule} of {self.classifier_id}"


class Silence(models.Model):
    """A time in which the alerts of a classifier are shown but not sent."""

    classifier = models.ForeignKey(Classifier, models.CASCADE, related_name="silences")
    rule = models.CharField(max_length=40, blank=True, help_text="Empty for all rules.")
    until = models.DateTimeField()
    reason = models.CharField(max_length=500)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"silence until {self.until:%Y-%m-%d %H:%M}"


class Receiver(models.Model):
    """Who is told: mail addresses, or the address of a web service.

    The secret that signs is made of SECRET_KEY and the salt, so that the database does not hold it.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook"
        SLACK = "slack", "Slack"
        TEAMS = "teams", "Microsoft Teams"

    class Event(models.TextChoices):
        ALERT = "alert", "Alerts"
        RUN = "run", "Finished runs"
        VERSION = "version", "New versions"
        ACTIVATION = "activation", "Activations"
        BATCH = "batch", "Finished batches"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=Kind)
    target = models.CharField(max_length=1_000, help_text="Mail addresses, separated by commas, or a URL.")
    events = models.JSONField(default=list)
    classifier = models.ForeignKey(
        Classifier,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: all classifiers.",
    )
    is_enabled = models.BooleanField(default=True)
    salt = models.UUIDField(default=uuid.uuid4, editable=False)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, now: datetime) -> Self:
        """The messages to send now, without those that another worker is sending."""
        free = Q(lease_until=None) | Q(lease_until__lt=Now())
        return self.filter(free, state=Delivery.State.WAITING, next_at__lte=now, receiver__is_enabled=True)

    def unsent(self) -> Self:
        """The messages that could not be sent: given up, or refused at least once."""
        return self.filter(Q(state=Delivery.State.FAILED) | Q(state=Delivery.State.WAITING, attempts__gt=0))


class Delivery(models.Model):
    """A message to one receiver, written with what it tells, and sent afterwards. Its id is the same in each attempt."""

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    receiver = models.ForeignKey(Receiver, models.CASCADE, related_name="deliveries", db_index=False)
    key = models.CharField(max_length=200, help_text="Identifies the event, so it is sent only once.")
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now)
    claim = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "deliveries"
        indexes = [models.Index(fields=["state", "next_at"], name="delivery_due")]
        constraints = [models.UniqueConstraint(fields=["receiver", "key"], name="delivery_once")]

    def __str__(self) -> str:
        return f"message {self.key} to {self.receiver_id}"

    def claim_it(self, lease: timedelta) -> bool:
        """Claim the message for one attempt; False if another worker has it, or it was sent."""
        self.claim = uuid.uuid4()
        free = Q(lease_until=None) | Q(lease_until__lt=Now())
        rows = Delivery.objects.filter(free, pk=self.pk, state=self.State.WAITING)
        return bool(rows.update(claim=self.claim, lease_until=Now() + lease, attempts=F("attempts") + 1))

    def settle(self, **values: object) -> bool:
        """Store the result of an attempt; False if another worker has claimed the message since."""
        rows = Delivery.objects.filter(pk=self.pk, claim=self.claim, state=self.State.WAITING)
        return bool(rows.update(lease_until=None, **values))
