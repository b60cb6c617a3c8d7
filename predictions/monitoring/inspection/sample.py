"""Samples of the log: predictions drawn at random, and the latest ones with a true label."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Sum
from django.db.models.functions import Random

from predictions.models import Feedback, HourlyCount, Prediction, first_id, hour_of
from training.models import Version

DAY = timedelta(days=1)
# predictions whose inputs are read at once
PIECE = 1_000


class Logged(NamedTuple):
    """A prediction, and its true label where it is known."""

    created_at: datetime
    features: dict[str, Any]
    label: str
    probabilities: dict[str, float]
    truth: str = ""


def at_random(version: Version, since: datetime, until: datetime, rows: int) -> list[Logged]:
    """Draw about so many predictions of a version, each with the same chance, day by day through its index."""
    counts = HourlyCount.objects.filter(version=version, hour__gte=hour_of(since), hour__lt=until)
    total = counts.aggregate(total=Sum("predictions"))["total"] or 0
    chance = min(rows / total, 1.0) if total else 0.0
    drawn: list[Any] = []
    day = since
    while day < until and chance:
        of_day = Prediction.objects.filter(
            version=version, id__gte=first_id(day), id__lt=first_id(min(day + DAY, until))
        )
        if chance < 1:
            of_day = of_day.annotate(drawn=Random()).filter(drawn__lt=chance)
        drawn += of_day.order_by("id").values_list("id", flat=True)
        day += DAY
    return [
        Logged(*row)
        for place in range(0, len(drawn), PIECE)
        for row in Prediction.objects.filter(pk__in=drawn[place : place + PIECE]).values_list(
            "created_at", "features", "label", "probabilities"
        )
    ]


def with_truth(version: Version, since: datetime, rows: int) -> list[Logged]:
    """Return the latest predictions of a version that have a true label, at most so many."""
    known = (
        Feedback.objects.in_force()
        .typical()
        .filter(prediction__version=version, prediction_id__gte=first_id(since))
    )
    columns = ("created_at", "features", "label", "probabilities")
    found = known.order_by("-prediction_id").values_list(
        *(f"prediction__{column}" for column in columns), "label"
    )
    return [Logged(*row) for row in found[:rows]]
