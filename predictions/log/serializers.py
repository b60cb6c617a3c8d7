"""Shapes of logged predictions in the API."""

from rest_framework import serializers

from predictions.models import Prediction


class PredictionSerializer(serializers.ModelSerializer[Prediction]):
    model = serializers.CharField(source="version.classifier.name")
    version = serializers.IntegerField(source="version.number")
    truth = serializers.SerializerMethodField(help_text="The true label, where feedback gave one.")

    class Meta:
        model = Prediction
        fields = [
            "id", "created_at", "model", "version", "features", "label", "probability", "probabilities",
            "warnings", "latency_ms", "source", "caller", "batch", "row", "truth",
        ]  # fmt: skip

    def get_truth(self, prediction: Prediction) -> str | None:
        return next((each.label for each in prediction.feedback.all() if each.superseded_at is None), None)
