"""Shapes of datasets, runs, classifiers and versions in the API."""

from typing import Any

from rest_framework import serializers

from training.models import Activation, Classifier, Dataset, Version


class ClassifierSerializer(serializers.ModelSerializer[Classifier]):
    active_version = serializers.SerializerMethodField()

    class Meta:
        model = Classifier
        fields = ["id", "name", "is_default", "strict", "active_version", "created_at"]

    def get_active_version(self, classifier: Classifier) -> int | None:
        activation = classifier.activation
        return activation.version.number if activation else None


class VersionSerializer(serializers.ModelSerializer[Version]):
    classifier = serializers.CharField(source="classifier.name")
    contract = serializers.JSONField(source="contract_data")
    active = serializers.BooleanField(read_only=True)

    class Meta:
        model = Version
        fields = [
            "id", "classifier", "number", "active", "run", "contract", "params", "cross_validation", "held_out",
            "threshold", "artifacts", "libraries", "created_at",
        ]  # fmt: skip


class ComparedDatasetSerializer(serializers.ModelSerializer[Dataset]):
    class Meta:
        model = Dataset
        fields = ["id", "name", "number", "target", "rows"]


class ComparedVersionSerializer(VersionSerializer):
    recipe = serializers.JSONField(source="run.recipe_data")
    corrections = serializers.JSONField(source="run.corrections_data")
    dataset = ComparedDatasetSerializer(source="run.dataset")
    classes = serializers.ListField(child=serializers.CharField(), source="contract.classes")

    class Meta:
        model = Version
        fields = [
            "id", "classifier", "number", "active", "created_at", "run", "dataset", "recipe", "corrections", "family",
            "params", "classes", "threshold", "cross_validation", "held_out", "libraries",
        ]  # fmt: skip


class FigureSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(help_text="Its id.")
    value = serializers.FloatField()
    difference = serializers.FloatField(help_text="To the version named first.")
    best = serializers.BooleanField(help_text="Whether no other version's value is higher.")
    std = serializers.FloatField(allow_null=True, help_text="Over the folds; null of held-out rows.")
    interval = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        min_length=2,
        max_length=2,
        help_text="The 95 % interval on the held-out rows; null of cross-validation and of early versions.",
    )


class MetricSerializer(serializers.Serializer[Any]):
    metric = serializers.CharField()
    cross_validation = FigureSerializer(many=True)
    held_out = FigureSerializer(many=True)


class ComparisonSerializer(serializers.Serializer[Any]):
    versions = ComparedVersionSerializer(many=True)
    metrics = MetricSerializer(many=True)
    remarks = serializers.ListField(
        child=serializers.CharField(),
        help_text="Why the figures are not to be held against each other without a second thought; empty where they are.",
    )


class ActivationSerializer(serializers.ModelSerializer[Activation]):
    classifier = serializers.CharField(source="classifier.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)

    class Meta:
        model = Activation
        fields = ["number", "classifier", "version", "reason", "actor", "created_at"]


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=500)
