"""Shapes of datasets from the log in the API."""

from rest_framework import serializers

from clfsite.core.api.schema import example
from clfsite.core.api.serializers import (
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
)
from predictions.retraining.models import MOST_DAYS, Retraining


@example({"since": "2020-01-01", "with_table": True})
class LogDatasetSerializer(StrictSerializer):
    since = StrictCharField(max_length=40, help_text="A date or time in ISO 8601, inclusive.")
    until = StrictCharField(
        max_length=40, required=False, help_text="A date or time in ISO 8601, exclusive; if omitted, now."
    )
    with_table = StrictBooleanField(
        default=True, help_text="Begin with the rows of the table that the version was trained on."
    )


_EXAMPLE = {"every_days": 30, "on_alert": False, "days": 90, "with_table": True}


@example({**_EXAMPLE, "last_at": None, "last_result": ""})
class RetrainingSerializer(serializers.ModelSerializer[Retraining]):
    class Meta:
        model = Retraining
        fields = ["every_days", "on_alert", "days", "with_table", "last_at", "last_result"]


@example(_EXAMPLE)
class RetrainingChangeSerializer(StrictSerializer):
    every_days = StrictIntegerField(
        min_value=1, max_value=MOST_DAYS, required=False, allow_null=True, help_text="null: no schedule."
    )
    on_alert = StrictBooleanField(required=False, help_text="Whether an open alert starts a training.")
    days = StrictIntegerField(
        min_value=1,
        max_value=MOST_DAYS,
        required=False,
        help_text="Number of days whose predictions are used.",
    )
    with_table = StrictBooleanField(required=False)
