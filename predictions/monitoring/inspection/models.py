"""What workers find in samples of the log, for which counts are not enough."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from training.models import Version


class Inspection(models.Model):
    """The newest inspection of a version, as a worker wrote it."""

    version = models.OneToOneField(Version, models.CASCADE, related_name="inspection")
    made_at = models.DateTimeField(default=timezone.now)
    # a table differs by chance once in a while, so an alert waits until it has done so for a day
    differs_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Time from which rows differ from training; empty if they do not.",
    )
    findings = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"inspection of version {self.version_id}"

    def has_differed_for(self, least: timedelta) -> bool:
        """Whether its rows have differed from training for so long."""
        return self.differs_since is not None and self.made_at - self.differs_since >= least
