"""Serializers of classifiers."""

from rest_framework import serializers

from clfsite.core.api.schema import example
from clfsite.core.api.serializers import (
    StrictBooleanField,
    StrictCharField,
    StrictFloatField,
    StrictSerializer,
)
from training.classifiers.service import LONGEST_TAG, MOST_TAGS
from training.ml.judge.sets import LEVELS
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
        "set_level": 0.9,
        "review": False,
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
            "id", "name", "is_default", "strict", "set_level", "review", "owner", "notes", "tags", "archived_at", "active_version", "created_at",
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
    set_level = StrictFloatField(
        required=False,
        help_text="Level of the set of labels in answers: 0.8, 0.9, 0.95 or 0.99; 0 for answers without one.",
    )
    review = StrictBooleanField(
        required=False, help_text="Whether predictions whose set is not one label wait for a person's answer."
    )
    is_default = StrictBooleanField(required=False, help_text="Answers requests that name no classifier.")
    archived = StrictBooleanField(
        required=False, help_text="Hidden from lists and no longer served; nothing is deleted."
    )

    def validate_set_level(self, level: float) -> float:
        if level not in {0, *LEVELS}:
            raise serializers.ValidationError(f"expected 0 or one of {', '.join(map(str, LEVELS))}")
        return level
