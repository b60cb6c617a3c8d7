"""API keys, the log of predictions with its counts, and feedback. Other models stand in the folders of their features."""

import uuid
from datetime import datetime
from typing import Any, Self

from django.db import models
from django.db.models import F, Q, Sum
from django.utils import timezone
from uuid_utils.compat import uuid7

import predictions.alerts.models
import predictions.erasures.models
import predictions.housekeeping.models
import predictions.monitoring.evaluation.models
import predictions.monitoring.inspection.models
import predictions.retraining.models  # noqa: F401
from predictions.batches.models import Batch, new_folder  # noqa: F401  the first migration names new_folder here
from predictions.log.fields import JSONTextField
from training.models import Activation, Version


def new_id() -> uuid.UUID:
    """Return a UUIDv7, which is unique without a database and increases with time."""
    return uuid7()


def first_id(moment: datetime) -> uuid.UUID:
    """Return the smallest UUIDv7 of a moment. Ids increase with time, so the primary key finds a time in the log.

    Moments before 1970 get the smallest id of all, because UUIDv7 begins in that year.
    """
    return uuid.UUID(int=max(int(moment.timestamp() * 1_000), 0) << 80)


def hour_of(moment: datetime) -> datetime:
    """Return the start of the hour in which a moment is counted."""
    return moment.replace(minute=0, second=0, microsecond=0)


class ApiKey(models.Model):
    """An API key, of which only the SHA-256 is stored; the key itself is shown once."""

    name = models.CharField(max_length=100, help_text="The person or program that uses it.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(
        max_length=12, editable=False, help_text="First characters of the key, to recognise it."
    )
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    rate = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Calls per minute. 0: no limit. Empty: the site's limit (CLFSITE_KEY_RATE).",
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.CharField(
        max_length=150, blank=True, editable=False, help_text="A login, or empty for the command line."
    )
    revoked_by = models.CharField(max_length=150, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}...)" if self.hint else self.name

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and not self.is_expired

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class Prediction(models.Model):
    """One logged prediction. Never edited.

    Version and batch have no foreign key constraint. The database would look up and lock both for each row, which takes
    a third of the time to write. Rows are only written with an existing version, and neither is ever deleted.
    """

    class Source(models.TextChoices):
        API = "api", "API"
        FORM = "form"
        CSV = "csv", "CSV"
        MLFLOW = "mlflow", "MLflow"
        OPEN_INFERENCE = "open_inference", "Open Inference"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.ForeignKey(
        Version, models.PROTECT, related_name="predictions", db_index=False, db_constraint=False
    )
    features = JSONTextField()
    label = models.CharField(max_length=1_000)
    probability = models.FloatField(help_text="Probability of the label.")
    probabilities = JSONTextField()
    warnings = JSONTextField(default=list)
    latency_ms = models.FloatField(help_text="From the checked request to the scored row, without the log.")
    source = models.CharField(max_length=20, choices=Source)
    caller = models.CharField(max_length=150, help_text="A key's name or a login.")
    batch = models.ForeignKey(
        Batch,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="predictions",
        db_index=False,
        db_constraint=False,
    )
    row = models.PositiveIntegerField(null=True, blank=True, help_text="Position in the batch, from 0.")
    reference = models.CharField(  # noqa: DJ001  the index has only the rows with one, so the others cost nothing
        max_length=200, null=True, blank=True, help_text="The caller's own key."
    )
    # null, because the previous release does not write it, and a default would rewrite the log when it is added
    request_id = models.CharField(  # noqa: DJ001
        max_length=64, null=True, blank=True, help_text="The id of the call, as in its X-Request-ID."
    )
    activation = models.ForeignKey(
        Activation,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
        help_text="The current activation, with its threshold; empty for a version that was not active.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        # one index for each filter of the log, in the order of its pages
        indexes = [
            models.Index(fields=["version", "id"], name="prediction_version"),
            models.Index(fields=["label", "id"], name="prediction_label"),
            models.Index(fields=["source", "id"], name="prediction_source"),
            models.Index(fields=["caller", "id"], name="prediction_caller"),
            models.Index(
                fields=["reference", "id"], condition=Q(reference__isnull=False), name="prediction_reference"
            ),
            models.Index(
                fields=["request_id", "id"],
                condition=Q(request_id__isnull=False),
                name="prediction_request",
            ),
        ]
        constraints = [
            # a row that is scored again after a crash is logged only once
            models.UniqueConstraint(
                fields=["batch", "row"], condition=Q(batch__isnull=False), name="prediction_batch_row_once"
            ),
            models.CheckConstraint(
                name="prediction_row_in_batch",
                condition=Q(batch=None, row=None) | Q(batch__isnull=False, row__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def threshold(self) -> float | None:
        """The threshold that decided; None with more than two classes."""
        if self.activation is None or self.activation.threshold is None:
            return self.version.threshold
        return self.activation.threshold


class CommitCount(models.Model):
    """The predictions of one commit of the log, of one hour, version and source, counted in the same transaction.

    A commit adds such a row instead of updating counts by hour, which would take a quarter of the time of a call, and
    commits would wait for each other. `predictions.monitoring.counts.collect` moves the rows into the counts by hour within a
    second, and before these are read.
    """

    hour = models.DateTimeField()
    # the database checks this one, and so refuses predictions of a version that does not exist
    version = models.ForeignKey(Version, models.PROTECT, related_name="+", db_index=False)
    source = models.CharField(max_length=20, choices=Prediction.Source)
    labels = models.JSONField(help_text="Label, tenth of its probability, predictions; for each that occurs.")
    latencies = models.JSONField(help_text="Bucket of latency, predictions; for each that occurs.")
    bins = models.BinaryField(help_text="Packed counts by bin; empty if the version has no bins.")

    def __str__(self) -> str:
        return f"{self.source} in the hour from {self.hour:%Y-%m-%d %H:%M}"


class HourlyCount(models.Model):
    """The number of predictions of one kind in an hour, because counting the log is slow.

    Processes add to rows of different shards and so do not wait for each other; readers sum over the shards.
    """

    hour = models.DateTimeField()
    version = models.ForeignKey(Version, models.PROTECT, related_name="+", db_index=False)
    source = models.CharField(max_length=20, choices=Prediction.Source)
    label = models.CharField(max_length=1_000)
    decile = models.PositiveSmallIntegerField(help_text="Tenth of the label's probability, 0 to 9.")
    shard = models.PositiveSmallIntegerField()
    predictions = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "version", "source", "label", "decile", "shard"], name="hourly_count_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.predictions} in the hour from {self.hour:%Y-%m-%d %H:%M}"


class HourlyLatency(models.Model):
    """The number of predictions of an hour in a bucket of latency; `predictions.monitoring.counts` has the bounds."""

    hour = models.DateTimeField()
    version = models.ForeignKey(Version, models.PROTECT, related_name="+", db_index=False)
    source = models.CharField(max_length=20, choices=Prediction.Source)
    bucket = models.PositiveSmallIntegerField()
    shard = models.PositiveSmallIntegerField()
    predictions = models.PositiveBigIntegerField()

    class Meta:
        verbose_name_plural = "hourly latencies"
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "version", "source", "bucket", "shard"], name="hourly_latency_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.predictions} in the hour from {self.hour:%Y-%m-%d %H:%M}"


class HourlyBin(models.Model):
    """The predictions of an hour by bin of each input, and by label and confidence.

    One row holds all bins of a version, because a row for each would need thirty times the space. Processes that add to an hour
    at the same time leave several rows, which are merged later; readers sum over them. `predictions.monitoring.bins` reads and
    writes `counts`, `Version.reference` has the bins.
    """

    hour = models.DateTimeField()
    version = models.ForeignKey(Version, models.PROTECT, related_name="+", db_index=False)
    counts = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["version", "hour"], name="hourly_bin_version")]

    def __str__(self) -> str:
        return f"bins of the hour from {self.hour:%Y-%m-%d %H:%M}"


class HourlyRefusal(models.Model):
    """The number of records of an hour that a version's contract refused, by the code of their first error."""

    hour = models.DateTimeField()
    version = models.ForeignKey(Version, models.PROTECT, related_name="+", db_index=False)
    code = models.CharField(max_length=50)
    shard = models.PositiveSmallIntegerField()
    predictions = models.PositiveBigIntegerField(help_text="Refused predictions.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "hour", "code", "shard"], name="hourly_refusal_once")
        ]

    def __str__(self) -> str:
        return f"{self.predictions} in the hour from {self.hour:%Y-%m-%d %H:%M}"


class FeedbackQuerySet(models.QuerySet["Feedback"]):
    def in_force(self) -> Self:
        """The current feedback, without rows that a correction has superseded."""
        return self.filter(superseded_at=None)

    def typical(self) -> Self:
        """Without answers from review, whose predictions are harder than others."""
        return self.exclude(source=Feedback.Source.REVIEW)


class Feedback(models.Model):
    """The true label of a prediction. A correction is another row, which supersedes the earlier one."""

    class Source(models.TextChoices):
        API = "api", "API"
        FORM = "form"
        CSV = "csv", "CSV"
        REVIEW = "review"

    prediction = models.ForeignKey(Prediction, models.CASCADE, related_name="feedback")
    label = models.CharField(max_length=1_000)
    source = models.CharField(max_length=20, choices=Source)
    actor = models.CharField(max_length=150, help_text="A key's name or a login.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    superseded_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Time at which a correction replaced it."
    )

    objects = FeedbackQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "feedback"
        constraints = [
            models.UniqueConstraint(
                fields=["prediction"], condition=Q(superseded_at=None), name="one_truth_per_prediction"
            ),
            models.CheckConstraint(name="feedback_has_label", condition=~Q(label="")),
        ]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(source="review"), name="feedback_of_review")
        ]

    def __str__(self) -> str:
        return self.label


class FeedbackCountQuerySet(models.QuerySet["FeedbackCount"]):
    def since(self, moment: datetime) -> Self:
        """The counts of predictions since the start of the hour of a moment."""
        return self.filter(hour__gte=hour_of(moment))

    def scores(self, *by: str, **named: Any) -> Any:
        """Return for each value of the columns: the values, the predictions with feedback, and the correct ones.

        Args:
            named: further columns as expressions by name.
        """
        right = Sum("predictions", filter=Q(predicted=F("truth")), default=0)
        groups = self.order_by().annotate(**named).values_list(*by, *named)
        return groups.annotate(judged=Sum("predictions"), correct=right).filter(judged__gt=0)


class FeedbackCount(models.Model):
    """The number of predictions of an hour by predicted and true class, updated with the feedback."""

    hour = models.DateTimeField(help_text="Hour of the predictions.")
    version = models.ForeignKey(Version, models.PROTECT, related_name="+", db_index=False)
    predicted = models.PositiveSmallIntegerField(help_text="Position among the classes of the contract.")
    truth = models.PositiveSmallIntegerField(help_text="Position among the classes of the contract.")
    # A check for positive values is not possible: a correction subtracts by an upsert, whose negative value it refuses.
    predictions = models.BigIntegerField()

    objects = FeedbackCountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "hour", "predicted", "truth"], name="feedback_count_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.predictions} in the hour from {self.hour:%Y-%m-%d %H:%M}"


class KeptAnswer(models.Model):
    """The response to a call with an Idempotency-Key, which is returned if the call is repeated within a day."""

    key = models.ForeignKey(ApiKey, models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=255, help_text="The header's value.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of address and body.")
    body = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "name"], name="kept_answer_once")]

    def __str__(self) -> str:
        return f"answer to {self.name}"
