"""Serializers for the schema and for the calls that DRF renders."""

from rest_framework import serializers

from clfsite.core.api.schema import example
from training.datasets.serializers import CONTRACT_EXAMPLE
from training.versions.serializers import METRICS_EXAMPLE

ROW_EXAMPLE = {"tenure": 5, "contract": "One year"}
ID_EXAMPLE = "01936f5e-8a4c-7c3e-9d2b-5f0c6a1e7b42"
REFERENCE_EXAMPLE = "order-1001"
_OUTCOME_EXAMPLE = {
    "prediction_id": ID_EXAMPLE,
    "label": "No",
    "probability": 0.83,
    "probabilities": {"No": 0.83, "Yes": 0.17},
    "warnings": [],
    "reference": REFERENCE_EXAMPLE,
}
_ANSWER_EXAMPLE = {"model": "churn", "version": 3, "threshold": 0.5}


class WarningSerializer(serializers.Serializer[dict[str, object]]):
    feature = serializers.CharField()
    code = serializers.ChoiceField(choices=["unknown_category", "out_of_range"])
    message = serializers.CharField()


class ModelSerializer(serializers.Serializer[dict[str, object]]):
    model = serializers.CharField(
        required=False, help_text="Name of a classifier; if omitted, the default classifier is used."
    )
    version = serializers.IntegerField(
        required=False, min_value=1, help_text="Pins a version; if omitted, the active version is used."
    )


@example({"features": ROW_EXAMPLE, "reference": REFERENCE_EXAMPLE})
class PredictRequestSerializer(ModelSerializer):
    features = serializers.DictField(
        help_text="One value per feature, as listed by /info; null if the value is missing."
    )
    reference = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=200,
        help_text="Your own key, such as an order number. It is returned, and feedback and searches can use it.",
    )


@example(
    {
        "records": [
            {**ROW_EXAMPLE, "reference": REFERENCE_EXAMPLE},
            {"tenure": 70, "contract": "Two year"},
        ],
        "model": "churn",
    }
)
class PredictBatchRequestSerializer(ModelSerializer):
    records = serializers.ListField(
        child=serializers.DictField(),
        min_length=1,
        help_text="One value per feature, and your own key as reference if you have one. If the classifier has an "
        "input or a label named reference, the member of the key is clfsite_reference.",
    )


class OutcomeSerializer(serializers.Serializer[dict[str, object]]):
    prediction_id = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]
    probability = serializers.FloatField(help_text="Probability of the returned label.")
    probabilities = serializers.DictField(child=serializers.FloatField())
    warnings = WarningSerializer(many=True)
    reference = serializers.CharField(required=False, help_text="As sent; absent if none was sent.")
    set = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="The labels that cannot be excluded, if the classifier is set to list them.",
    )
    set_level = serializers.FloatField(
        required=False, help_text="Of the rows of each class, at least this share get a set with their class."
    )


@example({**_ANSWER_EXAMPLE, **_OUTCOME_EXAMPLE})
class PredictResponseSerializer(OutcomeSerializer):
    model = serializers.CharField()
    version = serializers.IntegerField()
    threshold = serializers.FloatField(
        allow_null=True,
        help_text="Probability of the positive class; null if there are more than two classes.",
    )


@example({**_ANSWER_EXAMPLE, "predictions": [_OUTCOME_EXAMPLE]})
class PredictBatchResponseSerializer(serializers.Serializer[dict[str, object]]):
    model = serializers.CharField()
    version = serializers.IntegerField()
    threshold = serializers.FloatField(allow_null=True)
    predictions = OutcomeSerializer(many=True)


class FeatureSerializer(serializers.Serializer[dict[str, object]]):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["number", "integer", "boolean", "category"])
    missing = serializers.BooleanField(help_text="Whether null is accepted.")
    default = serializers.JSONField()
    categories = serializers.ListField(child=serializers.CharField())
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class ContractSerializer(serializers.Serializer[dict[str, object]]):
    target = serializers.CharField()
    classes = serializers.ListField(child=serializers.CharField())
    features = FeatureSerializer(many=True)
    left_out = serializers.DictField(child=serializers.CharField())


class ServedSerializer(serializers.Serializer[dict[str, object]]):
    model = serializers.CharField()
    version = serializers.IntegerField()
    default = serializers.BooleanField()
    strict = serializers.BooleanField()
    engine = serializers.CharField()
    threshold = serializers.FloatField(allow_null=True)
    activated_at = serializers.DateTimeField()
    metrics = serializers.DictField(child=serializers.FloatField())
    contract = ContractSerializer()
    example = serializers.DictField()


class LimitsSerializer(serializers.Serializer[dict[str, object]]):
    batch_rows = serializers.IntegerField()
    body_bytes = serializers.IntegerField()


@example(
    {
        "default": "churn",
        "limits": {"batch_rows": 10_000, "body_bytes": 16_777_216},
        "classifiers": [
            {
                **_ANSWER_EXAMPLE,
                "default": True,
                "strict": False,
                "engine": "onnxruntime",
                "activated_at": "2026-03-02T09:20:00Z",
                "metrics": METRICS_EXAMPLE,
                "contract": CONTRACT_EXAMPLE,
                "example": {"tenure": 29, "contract": "Month-to-month"},
            }
        ],
    }
)
class InfoSerializer(serializers.Serializer[dict[str, object]]):
    default = serializers.CharField(allow_null=True)
    limits = LimitsSerializer()
    classifiers = ServedSerializer(many=True)
