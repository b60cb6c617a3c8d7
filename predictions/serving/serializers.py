"""Shapes of the API's JSON, for the schema and for the calls that DRF renders."""

from rest_framework import serializers


class WarningSerializer(serializers.Serializer[dict[str, object]]):
    feature = serializers.CharField()
    code = serializers.ChoiceField(choices=["unknown_category", "out_of_range"])
    message = serializers.CharField()


class ModelSerializer(serializers.Serializer[dict[str, object]]):
    model = serializers.CharField(
        required=False, help_text="A classifier's name; the default one answers without it."
    )
    version = serializers.IntegerField(
        required=False, min_value=1, help_text="Pins a version; otherwise the active one."
    )


class PredictRequestSerializer(ModelSerializer):
    features = serializers.DictField(
        help_text="A value for every feature that /info lists; null where training saw none."
    )


class PredictBatchRequestSerializer(ModelSerializer):
    records = serializers.ListField(child=serializers.DictField(), min_length=1)


class OutcomeSerializer(serializers.Serializer[dict[str, object]]):
    prediction_id = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]
    probability = serializers.FloatField(help_text="Of the returned label.")
    probabilities = serializers.DictField(child=serializers.FloatField())
    warnings = WarningSerializer(many=True)


class PredictResponseSerializer(OutcomeSerializer):
    model = serializers.CharField()
    version = serializers.IntegerField()
    threshold = serializers.FloatField(
        allow_null=True, help_text="Of the positive class; null with more than two classes."
    )


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


class InfoSerializer(serializers.Serializer[dict[str, object]]):
    default = serializers.CharField(allow_null=True)
    limits = LimitsSerializer()
    classifiers = ServedSerializer(many=True)
