"""Shapes of erasures in the API."""

from rest_framework import serializers

from clfsite.core.api.schema import example
from clfsite.core.api.serializers import StrictBooleanField, StrictCharField, StrictSerializer
from predictions.erasures.models import Erasure


@example({"reference": "order-0999", "reason": "requested by the customer on 2026-03-02"})
class ErasureRequestSerializer(StrictSerializer):
    reference = StrictCharField(max_length=200, trim_whitespace=False)
    reason = StrictCharField(max_length=500)
    batch_files = StrictBooleanField(
        default=False, help_text="Delete the files of batches that had such rows, with their other rows."
    )


@example(
    {
        "id": 1,
        "digest": "2f0f6c1c3c6f0a4f6d2c9b1e7c0b5a4d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b",
        "reason": "requested by the customer on 2026-03-02",
        "actor": "key ops",
        "predictions": 3,
        "feedback": 1,
        "batches": [31],
        "files_removed": False,
        "created_at": "2026-03-02T11:00:00Z",
    }
)
class ErasureSerializer(serializers.ModelSerializer[Erasure]):
    batches = serializers.ListField(
        child=serializers.IntegerField(), help_text="Batches whose files had such rows."
    )

    class Meta:
        model = Erasure
        fields = [
            "id", "digest", "reason", "actor", "predictions", "feedback", "batches", "files_removed", "created_at",
        ]  # fmt: skip
