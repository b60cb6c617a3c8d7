"""Shapes of the API's JSON, for the schema and for the calls that DRF renders."""

from rest_framework import serializers

from predictions.feedback.service import Change
from predictions.models import Batch, Feedback, Prediction
from training.versions.serializers import OneFileField


class FaultSerializer(serializers.Serializer[dict[str, object]]):
    """One fault: of a record (row from 0, feature), of a file (line from 1, column), or of a form (field)."""

    row = serializers.IntegerField(required=False)
    feature = serializers.CharField(required=False)
    line = serializers.IntegerField(required=False)
    column = serializers.CharField(required=False)
    field = serializers.CharField(required=False)
    code = serializers.CharField(required=False)
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[dict[str, object]]):
    """RFC 9457 problem details."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = FaultSerializer(many=True)  # type: ignore[assignment]


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


class FeedbackRequestSerializer(serializers.Serializer[dict[str, object]]):
    label = serializers.CharField(help_text="A class of the version that answered.")  # type: ignore[assignment]
    replace = serializers.BooleanField(
        default=False, help_text="Correct another label that was given before; both stay on record."
    )


class FeedbackSerializer(serializers.ModelSerializer[Feedback]):
    prediction_id = serializers.UUIDField()
    predicted = serializers.CharField(source="prediction.label")
    change = serializers.ChoiceField(
        choices=[change.value for change in Change], required=False, help_text="What the request did."
    )

    class Meta:
        model = Feedback
        fields = ["prediction_id", "label", "predicted", "source", "actor", "created_at", "change"]


class FeedbackUploadSerializer(serializers.Serializer[dict[str, object]]):
    file = serializers.FileField(allow_empty_file=True, help_text="CSV with the columns id and label.")
    replace = serializers.BooleanField(
        default=False, help_text="Correct labels that were given before; they stay on record."
    )


class FeedbackStoredSerializer(serializers.Serializer[dict[str, object]]):
    created = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    corrected = serializers.IntegerField()


class QualitySerializer(serializers.Serializer[dict[str, object]]):
    version = serializers.IntegerField()
    active = serializers.BooleanField()
    judged = serializers.IntegerField(help_text="Predictions whose truth is known.")
    correct = serializers.IntegerField()
    accuracy = serializers.FloatField(allow_null=True)
    held_out_accuracy = serializers.FloatField()
    classes = serializers.ListField(child=serializers.CharField())
    confusion = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="Rows are true classes, columns answered ones, in the order of `classes`.",
    )


class LiveSerializer(serializers.Serializer[dict[str, object]]):
    model = serializers.CharField()
    versions = QualitySerializer(many=True)


class BatchUploadSerializer(serializers.Serializer[dict[str, object]]):
    file = OneFileField(allow_empty_file=True, help_text="CSV with one column per feature, in any order.")
    model = serializers.CharField(
        required=False, help_text="A classifier's name; the default one answers without it."
    )
    version = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Pins a version; otherwise the active one.",
    )
    mode = serializers.ChoiceField(
        choices=Batch.Mode.choices,
        default=Batch.Mode.STRICT,
        help_text="strict: one bad row stops it before any row is scored. lenient: bad rows are listed, the others scored.",
    )
    preview = serializers.BooleanField(
        default=False, help_text="Wait after the check until the batch is started with /start."
    )


class BatchStartSerializer(serializers.Serializer[dict[str, object]]):
    mode = serializers.ChoiceField(
        choices=Batch.Mode.choices,
        default=Batch.Mode.STRICT,
        help_text="strict is refused where the check found bad rows.",
    )


class BatchListSerializer(serializers.ModelSerializer[Batch]):
    model = serializers.CharField(source="version.classifier.name")
    version = serializers.IntegerField(source="version.number")
    rows_per_second = serializers.FloatField(
        source="pace", allow_null=True, help_text="Of what it is doing, or did last."
    )
    seconds_left = serializers.FloatField(allow_null=True)

    class Meta:
        model = Batch
        fields = [
            "id", "model", "version", "file_name", "size_bytes", "state", "mode", "attempt", "rows_total", "rows_bad",
            "rows_unseen", "rows_done", "rows_per_second", "seconds_left", "error", "caller", "created_at",
            "checked_at", "started_at", "cancel_requested_at", "finished_at",
        ]  # fmt: skip


class BatchSerializer(BatchListSerializer):
    problems = FaultSerializer(many=True, help_text="The first faults of the file; /errors has all of them.")
    problem_count = serializers.IntegerField()

    class Meta(BatchListSerializer.Meta):
        fields = [*BatchListSerializer.Meta.fields, "problem_count", "problems"]
