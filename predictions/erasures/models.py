"""The record of erasures."""

from django.db import models
from django.utils import timezone


class Erasure(models.Model):
    """That the predictions with a reference were erased. It holds a digest instead of the reference itself.

    The digest is keyed with SECRET_KEY, so that a person who knows a reference and has the key can tell that it was erased.
    """

    digest = models.CharField(max_length=64, help_text="Keyed SHA-256 of the reference.")
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=150)
    predictions = models.PositiveIntegerField(default=0)
    feedback = models.PositiveIntegerField(default=0)
    batches = models.JSONField(default=list, help_text="Ids of the batches whose files had such rows.")
    files_removed = models.BooleanField(
        default=False, help_text="Whether the files of these batches were deleted."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"erasure {self.pk}"
