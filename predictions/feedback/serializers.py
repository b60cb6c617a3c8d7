"""Serializers of true labels."""

from rest_framework import serializers

from clfsite.core.api.schema import MULTIPART, example
from clfsite.core.api.serializers import OneFileField, StrictBooleanField, StrictSerializer
from predictions.feedback.service import Change
from predictions.models import Feedback
from predictions.serving.serializers import ID_EXAMPLE, REFERENCE_EXAMPLE


@example({"label": "Yes"})
class FeedbackRequestSerializer(serializers.Serializer[dict[str, object]]):
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="A class of the version that made the prediction. Other spellings of a number or boolean "
        "are accepted: 1.0 for 1."
    )
    replace = serializers.BooleanField(
        default=False, help_text="Replace an earlier label; both are kept in the history."
    )


@example({"reference": REFERENCE_EXAMPLE, "label": "Yes"})
class ReferenceFeedbackRequestSerializer(FeedbackRequestSerializer):
    reference = serializers.CharField(max_length=200, help_text="The caller's own key of the prediction.")
    model = serializers.CharField(
        required=False, help_text="Name of the classifier, if several have predictions with this reference."
    )
    time = serializers.CharField(
        required=False,
        help_text="A date or time in ISO 8601, in UTC if it has no time zone. Of several predictions with this "
        "reference, the newest one that was made up to the end of this day, minute or second; if omitted, the newest.",
    )


@example(
    {
        "prediction_id": ID_EXAMPLE,
        "reference": REFERENCE_EXAMPLE,
        "label": "Yes",
        "predicted": "No",
        "source": "api",
        "actor": "key shop",
        "created_at": "2026-04-01T12:00:00Z",
        "change": "created",
    }
)
class FeedbackSerializer(serializers.ModelSerializer[Feedback]):
    prediction_id = serializers.UUIDField()
    reference = serializers.CharField(source="prediction.reference", allow_null=True)
    predicted = serializers.CharField(source="prediction.label")
    change = serializers.ChoiceField(
        choices=[change.value for change in Change], required=False, help_text="The result of the request."
    )

    class Meta:
        model = Feedback
        fields = [
            "prediction_id",
            "reference",
            "label",
            "predicted",
            "source",
            "actor",
            "created_at",
            "change",
        ]


@example({"file": f"id,label\n{ID_EXAMPLE},Yes\n"}, MULTIPART)
class FeedbackUploadSerializer(StrictSerializer):
    file = OneFileField(
        allow_empty_file=True,
        help_text="A file with the columns id and label, or reference and label, or a result of a batch with a column "
        "truth added. Columns model and time tell predictions with the same reference apart.",
    )
    replace = StrictBooleanField(
        default=False, help_text="Replace earlier labels; they are kept in the history."
    )


@example(
    {
        "created": 1,
        "unchanged": 0,
        "corrected": 0,
        "label_column": "label",
        "ignored_columns": [],
        "without_label": 0,
    }
)
class FeedbackStoredSerializer(serializers.Serializer[dict[str, object]]):
    created = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    corrected = serializers.IntegerField()
    label_column = serializers.CharField(help_text="The column that was taken as the true label.")
    ignored_columns = serializers.ListField(child=serializers.CharField())
    without_label = serializers.IntegerField(help_text="Rows of a result that have no true label yet.")
