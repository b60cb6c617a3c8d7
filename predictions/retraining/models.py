"""When a classifier is trained again on its judged predictions."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from training.models import Classifier

MOST_DAYS = 3_650


class Retraining(models.Model):
    """What may start a training of a classifier on judged predictions. Its versions wait for a person."""

    classifier = models.OneToOneField(Classifier, models.CASCADE, related_name="retraining")
    every_days = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)]
    )
    on_alert = models.BooleanField(default=False, help_text="Whether an open alert starts a training.")
    days = models.PositiveSmallIntegerField(
        default=90, validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)]
    )
    with_table = models.BooleanField(default=True, help_text="Whether the rows of the old table are kept.")
    last_at = models.DateTimeField(null=True, blank=True)
    last_result = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return f"retraining of {self.classifier_id}"

    @property
    def is_on(self) -> bool:
        return self.on_alert or self.every_days is not None
