"""The activation history of a classifier."""

from django.db.models import F, QuerySet, Window
from django.db.models.functions import Lag

from training.models import Activation, Classifier, Version


def spells(classifier: Classifier) -> QuerySet[Activation]:
    """Return the activations, newest first, each with `until`, the time of the next; None for the current one."""
    return (
        classifier.activations.select_related("version__classifier")
        .defer(*Version.bulky(path="version__"))
        .annotate(until=Window(Lag("created_at"), order_by=F("number").desc()))
        .order_by("-number")
    )
