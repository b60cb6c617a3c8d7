"""How long predictions of a classifier stay, where it differs from the setting of the site."""

from django.core.validators import MaxValueValidator
from django.db import models

from training.models import Classifier

MOST_DAYS = 36_500


class Retention(models.Model):
    """The days for which predictions of a classifier stay in the log; 0 for always."""

    classifier = models.OneToOneField(Classifier, models.CASCADE, related_name="retention")
    days = models.PositiveIntegerField(validators=[MaxValueValidator(MOST_DAYS)])

    def __str__(self) -> str:
        return f"{self.days} days"


def set_retention(classifier: Classifier, days: int | None) -> None:
    """Keep the predictions of a classifier for so many days, 0 for always; None for the setting of the site."""
    if days is None:
        Retention.objects.filter(classifier=classifier).delete()
    else:
        Retention.objects.update_or_create(classifier=classifier, defaults={"days": days})


def days_of(classifier: Classifier) -> int | None:
    """The days of a classifier; None if it has the setting of the site."""
    return Retention.objects.filter(classifier=classifier).values_list("days", flat=True).first()
