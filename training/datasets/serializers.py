"""Serializers of datasets."""

from typing import Any

from rest_framework import serializers

from clfsite.core.api.schema import MULTIPART, example
from clfsite.core.api.serializers import (
    OneFileField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictSerializer,
)
from training.ml.files.options import Options
from training.ml.files.reading import MAX_COLUMNS, TableError
from training.ml.tables.corrections import Choice, Spellings
from training.models import Dataset

CONTRACT_EXAMPLE = {
    "target": "churn",
    "classes": ["No", "Yes"],
    "features": [
        {
            "name": "tenure",
            "kind": "integer",
            "missing": False,
            "default": 29,
            "categories": [],
            "low": 0,
            "high": 72,
        },
        {
            "name": "contract",
            "kind": "category",
            "missing": False,
            "default": "Month-to-month",
            "categories": ["Month-to-month", "One year", "Two year"],
            "low": None,
            "high": None,
        },
    ],
    "left_out": {"customer": "identifier-like: 7,043 different texts in 7,043 rows"},
    "strict": False,
}
_EXAMPLE = {
    "id": 7,
    "name": "churn",
    "number": 2,
    "sha256": "16b7e4a5b9f0c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabb",
    "target": "churn",
    "rows": 7_043,
    "columns": 4,
    "size_bytes": 245_760,
    "reading": {
        "form": "csv",
        "facts": {"encoding": "UTF-8", "delimiter": "semicolon"},
        "options": {},
        "columns": {"income": {"decimal": ","}},
        "notes": [
            {"code": "notation", "column": "income", "message": "read as numbers with a decimal comma"}
        ],
    },
    "origin": {},
    "contract": CONTRACT_EXAMPLE,
    "warnings": [],
    "archived_at": None,
    "created_at": "2026-03-02T09:14:07Z",
}
_PROFILE_EXAMPLE = [
    {
        "name": "tenure",
        "kind": "integer",
        "missing": 0,
        "distinct": 73,
        "quantiles": [0, 9, 29, 55, 72],
        "counts": [2_186, 1_024, 832, 959, 2_042],
        "edges": [0, 14.4, 28.8, 43.2, 57.6, 72],
    }
]


class FindingSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    column = serializers.CharField()
    message = serializers.CharField(help_text="The finding and what to do.")


@example(_EXAMPLE)
class DatasetListSerializer(serializers.ModelSerializer[Dataset]):
    """A dataset without its profile, which can be long; the address of the dataset returns it."""

    contract = serializers.JSONField(source="contract_data")
    reading = serializers.DictField(
        help_text="How the file was read: its form, what was recognised or chosen, the notation of each column, and "
        "notes on all of it. The stored table is in plain notation. Empty for datasets from before this was stored."
    )
    origin = serializers.DictField(
        help_text="The query of which it is the result: `source`, `sql`, and `at`, when it was executed. Empty for a file."
    )
    warnings = FindingSerializer(many=True, help_text="Findings to check before training.")

    class Meta:
        model = Dataset
        fields = [
            "id", "name", "number", "sha256", "target", "rows", "columns", "size_bytes", "reading", "origin", "contract", "warnings",
            "archived_at", "created_at",
        ]  # fmt: skip


@example({**_EXAMPLE, "profile": _PROFILE_EXAMPLE})
class DatasetSerializer(DatasetListSerializer):
    """A dataset with its profile: kind, missing values and distribution of each column, over all rows and by class."""

    class Meta(DatasetListSerializer.Meta):
        fields = [*DatasetListSerializer.Meta.fields, "profile"]


class ShiftSerializer(serializers.Serializer[Any]):
    moved = serializers.FloatField(
        help_text="Share of rows that would have to change for both distributions to match."
    )
    by_chance = serializers.FloatField(
        help_text="The average of `moved` for tables of these sizes that are alike."
    )
    then = serializers.JSONField(
        help_text="Of the earlier version: the median of numbers and dates, otherwise the share of `value`."
    )
    now = serializers.JSONField(help_text="The same of this version.")
    value = serializers.CharField(
        allow_null=True, help_text="The most frequent value of the earlier version."
    )


class ColumnChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    change = serializers.ChoiceField(
        ["added", "removed", "kind", ""],
        help_text="`kind`: its values are of another kind; empty: none of these.",
    )
    before = serializers.CharField(help_text="Kind of its values in the earlier version.")
    after = serializers.CharField(help_text="Kind of its values in this version.")
    shift = ShiftSerializer(
        allow_null=True, help_text="How far its values moved; null if they cannot be compared."
    )


@example(
    {
        "old": 1,
        "new": 2,
        "rows_before": 7_043,
        "rows_after": 7_310,
        "rows_added": 301,
        "rows_removed": 34,
        "target_before": "churn",
        "target_after": "churn",
        "columns": [
            {
                "name": "tenure",
                "change": "",
                "before": "integer",
                "after": "integer",
                "shift": {"moved": 0.061, "by_chance": 0.012, "then": 29, "now": 31, "value": None},
            }
        ],
    }
)
class ChangesSerializer(serializers.Serializer[Any]):
    """The differences of a version from an earlier one."""

    old = serializers.IntegerField(help_text="Number of the earlier version.")
    new = serializers.IntegerField(help_text="Number of this version.")
    rows_before = serializers.IntegerField()
    rows_after = serializers.IntegerField()
    rows_added = serializers.IntegerField(
        help_text="Rows that the earlier version does not have, by the columns of both; copies count each time."
    )
    rows_removed = serializers.IntegerField(help_text="Rows that only the earlier version has.")
    target_before = serializers.CharField()
    target_after = serializers.CharField()
    columns = ColumnChangeSerializer(
        many=True, help_text="Columns of both, those with a change first, then those that moved farthest."
    )


@example({"name": "churn", "target": "churn", "file": "tenure,contract,churn\n5,One year,No\n"}, MULTIPART)
class DatasetUploadSerializer(StrictSerializer):
    name = StrictCharField(max_length=100)
    target = StrictCharField(max_length=255)
    file = OneFileField()
    categories = serializers.ListField(
        child=StrictCharField(trim_whitespace=False),
        required=False,
        default=list,
        help_text="Code columns, to be read as they are written; one field for each.",
    )
    delimiter = StrictCharField(
        required=False,
        max_length=20,
        trim_whitespace=False,
        help_text="comma, semicolon, tab, pipe or blank.",
    )
    encoding = StrictCharField(required=False, max_length=100, help_text="Such as utf-8, cp1252 or utf-16.")
    decimal = StrictCharField(required=False, max_length=20, help_text="point or comma.")
    sheet = StrictCharField(
        required=False, max_length=255, help_text="A sheet of a workbook, by name or number from 1."
    )
    missing = serializers.ListField(
        child=StrictCharField(max_length=100),
        required=False,
        default=list,
        help_text="Texts that mean a missing value, such as -999; one field for each.",
    )
    keep = serializers.ListField(
        child=StrictCharField(max_length=100),
        required=False,
        default=list,
        help_text="Texts such as NA that are values; one field for each.",
    )
    date = serializers.ListField(
        child=StrictCharField(),
        required=False,
        default=list,
        help_text="Columns of dates as COLUMN=FORMAT, such as joined=d/m/y; one field for each.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Add how the file is written as `options`."""
        names = ("delimiter", "encoding", "decimal", "sheet", "missing", "keep")
        try:
            options = Options.of(
                dates=attrs["date"], **{name: attrs[name] for name in names if name in attrs}
            )
        except TableError as error:
            raise serializers.ValidationError(str(error)) from error
        return {**attrs, "options": options}


class ColumnsField(serializers.DictField):
    """Choices by column, for at most as many columns as a table can have."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict) and len(data) > MAX_COLUMNS:
            raise serializers.ValidationError(
                f"{len(data):,} columns are named; a table has at most {MAX_COLUMNS:,}", "too_many"
            )
        chosen: dict[str, Any] = super().to_internal_value(data)
        return chosen


class CorrectionsSerializer(StrictSerializer):
    """The differences between the contract of the version and that of the dataset."""

    columns = ColumnsField(
        child=StrictChoiceField(choices=list(Choice)),
        default=dict,
        help_text="By column: number, category, merge for a category whose similar spellings are merged, text to learn "
        "from its words, leave_out, or take_in for a column that is left out.",
    )
    strict = StrictBooleanField(
        default=False,
        help_text="Refuse values outside the training data, instead of answering with a warning.",
    )
    date_parts = serializers.ListField(
        child=serializers.ListField(child=StrictCharField(trim_whitespace=False), min_length=3, max_length=4),
        required=False,
        help_text="Columns that are the parts of one date, in the order year, month, day and perhaps hour; one list for each "
        "date. The weekday and the days since the last date are learned, too.",
    )
    protected = serializers.ListField(
        child=StrictCharField(trim_whitespace=False),
        required=False,
        help_text="Inputs whose groups monitoring compares: labels, precision and recall side by side.",
    )
    labels = StrictChoiceField(
        choices=list(Spellings),
        allow_null=True,
        default=None,
        help_text="Whether similar labels such as Yes and yes are one class: merge or keep. With null, "
        "similar labels are an error.",
    )
