"""Serializers of classifiers."""

from rest_framework import serializers

from clfsite.core.api.schema import example
from clfsite.core.api.serializers import StrictBooleanField, StrictCharField, StrictSerializer
from training.classifiers.service import LONGEST_TAG, MOST_TAGS
from training.models import Classifier

LONGEST_OWNER, LONGEST_NOTES = 150, 4_000  # characters, as declared by the model
_EXAMPLE = {
    "owner": "Retention team",
    "notes": "Who is likely to leave in the next month. Not for business customers.",
    "tags": ["marketing"],
}


@example(
    {
        "id": 1,
        "name": "churn",
        "is_default": True,
        "strict": False,
        **_EXAMPLE,
        "archived_at": None,
        "active_version": 3,
        "created_at": "2026-01-05T08:00:00Z",
    }
)
class ClassifierSerializer(serializers.ModelSerializer[Classifier]):
    active_version = serializers.SerializerMethodField()
    tags = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Classifier
        fields = [
            "id", "name", "is_default", "strict", "owner", "notes", "tags", "archived_at", "active_version", "created_at",
        ]  # fmt: skip

    def get_active_version(self, classifier: Classifier) -> int | None:
        activation = classifier.activation
        return activation.version.number if activation else None


@example({**_EXAMPLE, "strict": False})
class ChangesSerializer(StrictSerializer):
    owner = StrictCharField(max_length=LONGEST_OWNER, allow_blank=True, required=False)
    notes = StrictCharField(max_length=LONGEST_NOTES, allow_blank=True, required=False)
    tags = serializers.ListField(
        child=StrictCharField(max_length=LONGEST_TAG), max_length=MOST_TAGS, required=False
    )
    strict = StrictBooleanField(
        required=False, help_text="Refuse values that training never saw instead of warning."
    )
    is_default = StrictBooleanField(required=False, help_text="Answers requests that name no classifier.")
    archived = StrictBooleanField(
        required=False, help_text="Hidden from lists and no longer served; nothing is deleted."
    )
