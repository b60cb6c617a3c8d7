"""Shapes of logged predictions in the API."""

from rest_framework import serializers

from clfsite.core.api.schema import example
from predictions.models import Prediction
from predictions.serving.serializers import ID_EXAMPLE, REFERENCE_EXAMPLE, ROW_EXAMPLE


@example(
    {
        "id": ID_EXAMPLE,
        "created_at": "2026-03-02T10:00:00Z",
        "model": "churn",
        "version": 3,
        "features": ROW_EXAMPLE,
        "label": "No",
        "probability": 0.83,
        "probabilities": {"No": 0.83, "Yes": 0.17},
        "warnings": [],
        "latency_ms": 0.21,
        "source": "api",
        "caller": "shop",
        "batch": None,
        "row": None,
        "reference": REFERENCE_EXAMPLE,
        "request_id": "019b2f3a7c41d95be802",
        "activation": 4,
        "truth": "Yes",
    }
)
class PredictionSerializer(serializers.ModelSerializer[Prediction]):
    model = serializers.CharField(source="version.classifier.name")
    version = serializers.IntegerField(source="version.number")
    activation = serializers.IntegerField(
        source="activation.number",
        allow_null=True,
        help_text="The number in the classifier's history of the activation that answered, with its threshold; null for a "
        "version that was not active.",
    )
    truth = serializers.SerializerMethodField(help_text="The true label, if there is feedback.")

    class Meta:
        model = Prediction
        fields = [
            "id", "created_at", "model", "version", "features", "label", "probability", "probabilities",
            "warnings", "latency_ms", "source", "caller", "batch", "row", "reference", "request_id", "activation", "truth",
        ]  # fmt: skip

    def get_truth(self, prediction: Prediction) -> str | None:
        return next(
            (feedback.label for feedback in prediction.feedback.all() if feedback.superseded_at is None), None
        )
