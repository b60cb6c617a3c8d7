"""What served when: the activations of a classifier, each with when the next one took over."""

from django.db.models import F, QuerySet, Window
from django.db.models.functions import Lag

from training.models import Activation, Classifier, Version


def spells(classifier: Classifier) -> QuerySet[Activation]:
    """The newest first, each with `until`: None for the one in force."""
    return (
        classifier.activations.select_related("version__classifier")
        .defer(*Version.bulky(path="version__"))
        .annotate(until=Window(Lag("created_at"), order_by=F("number").desc()))
        .order_by("-number")
    )
