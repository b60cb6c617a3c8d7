"""Serializers of evaluations, and of accuracy on predictions with feedback."""

from typing import Any

from rest_framework import serializers

from clfsite.core.api.schema import example
from training.ml.tables.contract import Kind


class QualitySerializer(serializers.Serializer[dict[str, object]]):
    version = serializers.IntegerField()
    active = serializers.BooleanField()
    judged = serializers.IntegerField(help_text="Predictions with feedback.")
    correct = serializers.IntegerField()
    accuracy = serializers.FloatField(allow_null=True)
    held_out_accuracy = serializers.FloatField(
        help_text="By the threshold or the costs that were given last, if any were."
    )
    classes = serializers.ListField(child=serializers.CharField())
    confusion = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="Rows are true classes, columns are predicted classes, in the order of `classes`.",
    )


@example(
    {
        "model": "churn",
        "versions": [
            {
                "version": 3,
                "active": True,
                "judged": 200,
                "correct": 160,
                "accuracy": 0.8,
                "held_out_accuracy": 0.81,
                "classes": ["No", "Yes"],
                "confusion": [[120, 20], [20, 40]],
            }
        ],
    }
)
class LiveSerializer(serializers.Serializer[dict[str, object]]):
    model = serializers.CharField()
    versions = QualitySerializer(many=True)


class WindowSerializer(serializers.Serializer[dict[str, object]]):
    until = serializers.DateTimeField()
    predictions = serializers.IntegerField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """With `from`, which Python reserves."""
        return {"from": serializers.DateTimeField(), **super().get_fields()}


class MovedSerializer(serializers.Serializer[dict[str, object]]):
    moved = serializers.BooleanField(
        help_text="Whether this window differs by more than chance and by an amount that matters."
    )
    shift = serializers.FloatField(
        allow_null=True,
        help_text="Population stability index against training, less what chance explains; null without predictions.",
    )
    p = serializers.FloatField(
        allow_null=True, help_text="Probability of such a difference by chance; null without predictions."
    )


class ColumnMovedSerializer(MovedSerializer):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in Kind])
    importance = serializers.FloatField(help_text="Drop of ROC-AUC if its values are shuffled.")
    since = serializers.DateTimeField(allow_null=True, help_text="Since when it differs.")


class DataQualitySerializer(serializers.Serializer[dict[str, object]]):
    refused = serializers.FloatField(help_text="Share of records that the contract refused.")
    missing = serializers.DictField(
        child=serializers.FloatField(), help_text="Share of predictions, by input."
    )
    unseen = serializers.DictField(
        child=serializers.FloatField(), help_text="Share of predictions, by input."
    )
    out_of_range = serializers.DictField(
        child=serializers.FloatField(), help_text="Share of predictions, by input."
    )


class EstimatedSerializer(serializers.Serializer[dict[str, object]]):
    value = serializers.FloatField()
    low = serializers.FloatField(help_text="Of the 95 % interval.")
    high = serializers.FloatField()
    holds = serializers.BooleanField(
        help_text="Whether inputs and feedback are as the estimate presupposes; see the documentation."
    )


class MeasuredSerializer(serializers.Serializer[dict[str, object]]):
    value = serializers.FloatField()
    low = serializers.FloatField(help_text="Of the 95 % interval.")
    high = serializers.FloatField()
    feedback = serializers.IntegerField(help_text="Predictions with feedback.")


class AccuracySerializer(serializers.Serializer[dict[str, object]]):
    estimated = EstimatedSerializer(allow_null=True)
    measured = MeasuredSerializer(allow_null=True, help_text="Null without feedback.")


class ShareSerializer(serializers.Serializer[dict[str, object]]):
    value = serializers.FloatField()
    low = serializers.FloatField(help_text="Of the 95 % interval.")
    high = serializers.FloatField()
    rows = serializers.IntegerField(help_text="That it was measured on.")


class ScoresSerializer(serializers.Serializer[dict[str, object]]):
    """Precision and recall of the positive class; with more than two classes the mean over the classes."""

    feedback = serializers.IntegerField(help_text="Predictions with feedback.")
    accuracy = ShareSerializer(allow_null=True)
    precision = ShareSerializer(allow_null=True)
    recall = ShareSerializer(allow_null=True)
    roc_auc = ShareSerializer(
        allow_null=True, help_text="Of the newest inspection, which takes the latest 20,000 predictions."
    )


class DaySerializer(ScoresSerializer):
    day = serializers.DateField()


class JudgedSerializer(ScoresSerializer):
    until = serializers.DateTimeField()
    days = DaySerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """With `from`, which Python reserves."""
        return {"from": serializers.DateTimeField(), **super().get_fields()}


class SegmentSerializer(serializers.Serializer[dict[str, object]]):
    column = serializers.CharField()
    group = serializers.CharField(help_text="A category, or a range of values.")
    worse = serializers.BooleanField(
        help_text="Whether it is surely less accurate than the other predictions."
    )
    accuracy = ShareSerializer(
        help_text="With an interval that holds together with those of all other segments."
    )


class GroupSerializer(serializers.Serializer[dict[str, object]]):
    group = serializers.CharField()
    predictions = serializers.IntegerField(help_text="In a sample of the last 7 days.")
    rates = serializers.DictField(
        child=ShareSerializer(), help_text="Share of its predictions with each label."
    )
    accuracy = ShareSerializer(allow_null=True)
    precision = ShareSerializer(allow_null=True)
    recall = ShareSerializer(allow_null=True)


class ProtectedSerializer(serializers.Serializer[dict[str, object]]):
    column = serializers.CharField()
    groups = GroupSerializer(many=True)


class WholeTableSerializer(serializers.Serializer[dict[str, object]]):
    differs = serializers.BooleanField()
    roc_auc = ShareSerializer(
        help_text="Of a classifier that tells rows of the log from those of training; 0.5 if it cannot."
    )
    p = serializers.FloatField(help_text="Probability of such an ROC-AUC by chance.")
    columns = serializers.ListField(
        child=serializers.CharField(), help_text="Inputs that tell the most, if rows differ."
    )


class OpenAlertSerializer(serializers.Serializer[dict[str, object]]):
    id = serializers.IntegerField()
    rule = serializers.CharField()
    column = serializers.CharField(allow_null=True)
    state = serializers.CharField()
    since = serializers.DateTimeField()


@example(
    {
        "model": "churn",
        "version": 3,
        "window": {"from": "2026-03-01T00:00:00Z", "until": "2026-03-08T00:00:00Z", "predictions": 5210},
        "status": "ok",
        "columns": [
            {
                "name": "tenure",
                "kind": "integer",
                "moved": False,
                "shift": 0.004,
                "p": 0.41,
                "importance": 0.12,
                "since": None,
            }
        ],
        "label_mix": {"moved": False, "shift": 0.001, "p": 0.6},
        "probabilities": {"moved": False, "shift": 0.002, "p": 0.5},
        "quality": {"refused": 0.001, "missing": {}, "unseen": {}, "out_of_range": {}},
        "accuracy": {
            "estimated": {"value": 0.81, "low": 0.8, "high": 0.82, "holds": True},
            "measured": {"value": 0.8, "low": 0.77, "high": 0.83, "feedback": 612},
        },
        "alerts": [],
        "judged": {
            "from": "2026-02-06T00:00:00Z",
            "until": "2026-03-08T00:00:00Z",
            "feedback": 612,
            "accuracy": {"value": 0.8, "low": 0.77, "high": 0.83, "rows": 612},
            "precision": {"value": 0.67, "low": 0.6, "high": 0.73, "rows": 180},
            "recall": {"value": 0.63, "low": 0.56, "high": 0.7, "rows": 190},
            "roc_auc": {"value": 0.84, "low": 0.81, "high": 0.87, "rows": 612},
            "days": [],
        },
        "inspected_at": "2026-03-07T20:00:00Z",
        "segments": [
            {
                "column": "contract",
                "group": "Month-to-month",
                "worse": True,
                "accuracy": {"value": 0.71, "low": 0.62, "high": 0.78, "rows": 330},
            }
        ],
        "protected": [],
        "whole_table": {
            "differs": False,
            "roc_auc": {"value": 0.51, "low": 0.49, "high": 0.53, "rows": 4000},
            "p": 0.16,
            "columns": [],
        },
    }
)
class MonitoringSerializer(serializers.Serializer[dict[str, object]]):
    model = serializers.CharField()
    version = serializers.IntegerField()
    window = WindowSerializer()
    status = serializers.ChoiceField(choices=["ok", "attention", "not_enough_data"])
    columns = ColumnMovedSerializer(many=True)
    label_mix = MovedSerializer()
    probabilities = MovedSerializer()
    quality = DataQualitySerializer()
    accuracy = AccuracySerializer()
    alerts = OpenAlertSerializer(many=True)
    judged = JudgedSerializer(help_text="Of the last 30 days, as far as true labels came.")
    inspected_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When a worker looked at samples of the log, for what follows; null before.",
    )
    segments = SegmentSerializer(many=True, help_text="The surely worst first, at most 50.")
    protected = ProtectedSerializer(many=True, help_text="The groups of each protected input.")
    whole_table = WholeTableSerializer(
        allow_null=True, help_text="Null with fewer than 500 predictions in 7 days."
    )
