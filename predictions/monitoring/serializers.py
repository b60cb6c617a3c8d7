"""Serializers of accuracy on predictions with feedback."""

from rest_framework import serializers

from clfsite.core.api.schema import example


class QualitySerializer(serializers.Serializer[dict[str, object]]):
    version = serializers.IntegerField()
    active = serializers.BooleanField()
    judged = serializers.IntegerField(help_text="Predictions with feedback.")
    correct = serializers.IntegerField()
    accuracy = serializers.FloatField(allow_null=True)
    held_out_accuracy = serializers.FloatField()
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
