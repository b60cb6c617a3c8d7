"""Shapes of batches in the API."""

from rest_framework import serializers

from clfsite.core.api.schema import MULTIPART, example
from clfsite.core.api.serializers import (
    OneFileField,
    ProblemItemSerializer,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictSerializer,
)
from predictions.batches.models import Batch

_EXAMPLE = {
    "id": 31,
    "model": "churn",
    "version": 3,
    "file_name": "customers.csv",
    "size_bytes": 184_320,
    "state": "succeeded",
    "mode": "lenient",
    "attempt": 1,
    "rows_total": 7_043,
    "rows_bad": 1,
    "rows_unseen": 2,
    "rows_done": 7_043,
    "rows_per_second": 31_200.5,
    "seconds_left": None,
    "error": "",
    "caller": "key shop",
    "request_id": "019b2f3a7c41d95be802",
    "created_at": "2026-03-02T11:00:00Z",
    "checked_at": "2026-03-02T11:00:01Z",
    "started_at": "2026-03-02T11:00:00Z",
    "cancel_requested_at": None,
    "finished_at": "2026-03-02T11:00:02Z",
}
_FAULT_EXAMPLE = {
    "line": 18,
    "column": "tenure",
    "code": "not_a_number",
    "message": 'expected a number, got "five"',
}


@example(
    {"file": "tenure,contract\n5,One year\n70,Two year\n", "model": "churn", "mode": "lenient"}, MULTIPART
)
class BatchUploadSerializer(StrictSerializer):
    file = OneFileField(
        allow_empty_file=True,
        help_text="A table with one column per feature, in any order: CSV in any notation, .xlsx, .xls, .ods or .parquet.",
    )
    model = StrictCharField(
        required=False, help_text="Name of a classifier; if omitted, the default classifier is used."
    )
    version = StrictIntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Pins a version; if omitted, the active version is used.",
    )
    mode = StrictChoiceField(
        choices=Batch.Mode.choices,
        default=Batch.Mode.STRICT,
        help_text="strict: if any row is invalid, no row is scored. lenient: invalid rows are listed and the "
        "valid rows are scored.",
    )
    preview = StrictBooleanField(
        default=False, help_text="Wait after the check until the batch is started with /start."
    )


@example({"mode": "lenient"})
class BatchStartSerializer(StrictSerializer):
    mode = StrictChoiceField(
        choices=Batch.Mode.choices,
        default=Batch.Mode.STRICT,
        help_text="strict is refused if the check found invalid rows.",
    )


@example(_EXAMPLE)
class BatchListSerializer(serializers.ModelSerializer[Batch]):
    model = serializers.CharField(source="version.classifier.name")
    version = serializers.IntegerField(source="version.number")
    rows_per_second = serializers.FloatField(
        source="pace", allow_null=True, help_text="Progress of the current phase, or of the last one."
    )
    seconds_left = serializers.FloatField(allow_null=True)

    class Meta:
        model = Batch
        fields = [
            "id", "model", "version", "file_name", "size_bytes", "state", "mode", "attempt", "rows_total", "rows_bad",
            "rows_unseen", "rows_done", "rows_per_second", "seconds_left", "error", "caller", "request_id", "created_at",
            "checked_at", "started_at", "cancel_requested_at", "finished_at",
        ]  # fmt: skip


@example(
    {
        **_EXAMPLE,
        "carried_columns": ["order_no"],
        "empty_lines": 0,
        "reading": {
            "form": "csv",
            "facts": {"encoding": "UTF-8", "delimiter": "semicolon"},
            "columns": {"income": {"decimal": ","}},
            "notes": [
                {"code": "notation", "column": "income", "message": "read as numbers with a decimal comma"}
            ],
        },
        "problem_count": 1,
        "problems": [_FAULT_EXAMPLE],
    }
)
class BatchSerializer(BatchListSerializer):
    carried_columns = serializers.SerializerMethodField(
        help_text="Columns that are not features; they are kept in the result. Available once the file is "
        "checked."
    )
    empty_lines = serializers.SerializerMethodField(
        help_text="Empty lines that were skipped; in a file with one column they count as rows."
    )
    reading = serializers.DictField(
        help_text="How the file was read: its form, what was recognised, and the notation of columns that differ from "
        "the training table."
    )
    problems = ProblemItemSerializer(
        many=True, help_text="The first problems of the file; /errors has all of them."
    )
    problem_count = serializers.IntegerField()

    class Meta(BatchListSerializer.Meta):
        fields = [
            *BatchListSerializer.Meta.fields, "carried_columns", "empty_lines", "reading", "problem_count", "problems",
        ]  # fmt: skip

    def get_carried_columns(self, batch: Batch) -> list[str]:
        carried: list[str] = batch.preview.get("carried", [])
        return carried

    def get_empty_lines(self, batch: Batch) -> int:
        count: int = batch.preview.get("empty_lines", 0)
        return count
