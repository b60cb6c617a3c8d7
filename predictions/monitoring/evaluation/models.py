"""The newest evaluations, kept for the metrics, which must not evaluate anything themselves."""

from django.db import models
from django.utils import timezone

from training.models import Version


class LastEvaluation(models.Model):
    """What a worker found when it evaluated an active version over some days the last time."""

    version = models.ForeignKey(Version, models.CASCADE, related_name="+", db_index=False)
    days = models.PositiveSmallIntegerField()
    made_at = models.DateTimeField(default=timezone.now)
    predictions = models.PositiveBigIntegerField()
    moved = models.JSONField(
        default=dict, help_text="How many inputs moved, and whether label mix and probabilities did."
    )
    shifts = models.JSONField(
        default=dict, help_text="The largest of an input, that of the label mix and of the probabilities."
    )
    estimated_accuracy = models.FloatField(null=True, blank=True)
    estimate_holds = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "days"], name="last_evaluation_once")]

    def __str__(self) -> str:
        return f"evaluation of version {self.version_id} over {self.days} days"
