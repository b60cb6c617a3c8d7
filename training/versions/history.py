"""What served when: the activations of a classifier, each with when the next one took over."""

from django.db.models import F, QuerySet, Window
from django.db.models.functions import Lag

from training.models import Activation, Classifier

# a version's page is for these
_BULK = (
    "version__contract_data",
    "version__golden",
    "version__artifacts",
    "version__libraries",
    "version__held_out",
    "version__cross_validation",
    "version__params",
    "version__engine",
)


def spells(classifier: Classifier) -> QuerySet[Activation]:
    """The newest first, each with `until`: None for the one in force."""
    return (
        classifier.activations.select_related("version__classifier")
        .defer(*_BULK)
        .annotate(until=Window(Lag("created_at"), order_by=F("number").desc()))
        .order_by("-number")
    )
