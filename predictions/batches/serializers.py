"""Shapes of batches in the API."""

from rest_framework import serializers

from clfsite.core.web.serializers import FaultSerializer, OneFileField
from predictions.models import Batch


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
