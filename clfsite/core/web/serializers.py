"""Shapes of errors and uploads that every API call shares."""

from typing import Any

from rest_framework import serializers


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


class OneFileField(serializers.FileField):
    """A file that comes alone under its name."""

    def get_value(self, dictionary: Any) -> Any:
        found = dictionary.getlist(self.field_name) if hasattr(dictionary, "getlist") else []
        return found if len(found) > 1 else super().get_value(dictionary)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list):
            raise serializers.ValidationError(f"{len(data)} files came; send one file")
        return super().to_internal_value(data)
