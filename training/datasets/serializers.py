"""Shapes of datasets in the API."""

from typing import Any

from rest_framework import serializers

from clfsite.core.web.serializers import OneFileField
from training.ml.tables.corrections import Choice
from training.models import Dataset


class FindingSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    column = serializers.CharField()
    message = serializers.CharField(help_text="What was found and what to do.")


class DatasetListSerializer(serializers.ModelSerializer[Dataset]):
    """A dataset without its profile, which is for its own address: it may be long."""

    contract = serializers.JSONField(source="contract_data")
    warnings = FindingSerializer(many=True, help_text="What to know before training on it.")

    class Meta:
        model = Dataset
        fields = [
            "id", "name", "number", "sha256", "target", "rows", "columns", "size_bytes", "contract", "warnings",
            "created_at",
        ]  # fmt: skip


class DatasetSerializer(DatasetListSerializer):
    """A dataset with its profile: per column its kind, gaps and spread, over all rows and by class."""

    class Meta(DatasetListSerializer.Meta):
        fields = [*DatasetListSerializer.Meta.fields, "profile"]


class DatasetUploadSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    target = serializers.CharField(max_length=255)
    file = OneFileField()
    categories = serializers.ListField(
        child=serializers.CharField(trim_whitespace=False),
        required=False,
        default=list,
        help_text="Columns of codes, to be read as they are written; one field for each.",
    )


class CorrectionsSerializer(serializers.Serializer[Any]):
    """What the version's contract has otherwise than the dataset's."""

    columns = serializers.DictField(
        child=serializers.ChoiceField(choices=list(Choice)),
        default=dict,
        help_text="By column: number, category, leave_out, or take_in for a column that is left out.",
    )
    strict = serializers.BooleanField(
        default=False, help_text="Refuse categories and ranges that training never saw, instead of warning."
    )

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            raise serializers.ValidationError(
                dict.fromkeys(unknown, "there is no such correction; expected columns and strict")
            )
        return super().to_internal_value(data)
