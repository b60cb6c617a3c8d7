"""Serializers of versions and activations."""

from typing import Any

from rest_framework import serializers

from clfsite.core.api.schema import example
from clfsite.core.api.serializers import StrictCharField, StrictFloatField, StrictSerializer
from training.datasets.serializers import CONTRACT_EXAMPLE
from training.ml.judge.costs import LONGEST_UNIT
from training.models import Activation, Dataset, Version
from training.runs.serializers import RECIPE_EXAMPLE

METRICS_EXAMPLE = {"accuracy": 0.81, "f1": 0.6, "roc_auc": 0.85, "precision": 0.67, "recall": 0.55}
COSTS_EXAMPLE = {"unit": "EUR", "mistakes": {"No": {"Yes": 20}, "Yes": {"No": 150}}}
# members of a version on its own and in a comparison
_COMMON_EXAMPLE = {
    "id": 9,
    "classifier": "churn",
    "number": 3,
    "active": True,
    "run": 12,
    "params": {"n_estimators": 300, "max_depth": 8},
    "cross_validation": {name: {"mean": value, "std": 0.01} for name, value in METRICS_EXAMPLE.items()},
    "held_out": {"rows": 1_409, "metrics": METRICS_EXAMPLE, "confusion": [[935, 100], [168, 206]]},
    "threshold": 0.5,
    "libraries": {"python": "3.11.9", "scikit-learn": "1.9.0"},
    "created_at": "2026-03-02T09:16:44Z",
}
_COMPARED_EXAMPLE = {
    **_COMMON_EXAMPLE,
    "dataset": {"id": 7, "name": "churn", "number": 2, "target": "churn", "rows": 7_043},
    "recipe": RECIPE_EXAMPLE,
    "corrections": {},
    "family": "random_forest",
    "classes": ["No", "Yes"],
    "positive": "Yes",
}
_FIGURE_EXAMPLE = {
    "version": 9,
    "value": 0.85,
    "difference": 0.0,
    "best": True,
    "std": 0.01,
    "interval": None,
}


@example(
    {
        **_COMMON_EXAMPLE,
        "contract": CONTRACT_EXAMPLE,
        "out_of_fold": {
            "trade_off": {
                "thresholds": [0.1, 0.3, 1.0],
                "found": [1_490, 1_210, 0],
                "alarms": [3_105, 1_288, 0],
                "positives": 1_495,
                "negatives": 4_139,
            }
        },
        "artifacts": {
            "pipeline": {
                "name": "run-12/5f0c6a1e/pipeline.joblib",
                "sha256": "0f1e2d3c4b5a69788796a5b4c3d2e1f000112233445566778899aabbccddeeff",
                "size_bytes": 4_194_304,
            }
        },
        "archived_at": None,
    }
)
class VersionSerializer(serializers.ModelSerializer[Version]):
    classifier = serializers.CharField(source="classifier.name")
    contract = serializers.JSONField(source="contract_data")
    active = serializers.BooleanField(read_only=True)

    class Meta:
        model = Version
        fields = [
            "id", "classifier", "number", "active", "run", "contract", "params", "cross_validation", "held_out",
            "out_of_fold", "threshold", "artifacts", "libraries", "archived_at", "created_at",
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
    positive = serializers.CharField(
        source="contract.positive",
        allow_null=True,
        help_text="The positive class of two. Precision, recall and the threshold refer to it.",
    )

    class Meta:
        model = Version
        fields = [
            "id", "classifier", "number", "active", "created_at", "run", "dataset", "recipe", "corrections", "family",
            "params", "classes", "positive", "threshold", "cross_validation", "held_out", "libraries",
        ]  # fmt: skip


class FigureSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(help_text="Its id.")
    value = serializers.FloatField()
    difference = serializers.FloatField(help_text="Difference to the first version.")
    best = serializers.BooleanField(
        help_text="Whether this is the highest value, which no other version has; false if they predict different classes."
    )
    std = serializers.FloatField(
        allow_null=True, help_text="Standard deviation over the folds; null for held-out rows."
    )
    interval = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        min_length=2,
        max_length=2,
        help_text="The 95 % interval on the held-out rows; null for cross-validation and for early versions.",
    )


class MetricSerializer(serializers.Serializer[Any]):
    metric = serializers.CharField()
    cross_validation = FigureSerializer(many=True)
    held_out = FigureSerializer(many=True)


@example(
    {
        "versions": [_COMPARED_EXAMPLE, {**_COMPARED_EXAMPLE, "id": 5, "number": 2, "active": False}],
        "metrics": [
            {
                "metric": "roc_auc",
                "cross_validation": [_FIGURE_EXAMPLE, {**_FIGURE_EXAMPLE, "version": 5}],
                "held_out": [
                    {**_FIGURE_EXAMPLE, "version": version, "std": None, "interval": [0.83, 0.87]}
                    for version in (9, 5)
                ],
            }
        ],
        "remarks": [],
    }
)
class ComparisonSerializer(serializers.Serializer[Any]):
    versions = ComparedVersionSerializer(many=True)
    metrics = MetricSerializer(many=True)
    remarks = serializers.ListField(
        child=serializers.CharField(),
        help_text="Why the metrics are not strictly comparable; empty if they are.",
    )


@example(
    {
        "number": 4,
        "classifier": "churn",
        "version": 3,
        "threshold": 0.31,
        "costs": COSTS_EXAMPLE,
        "reason": "better recall on the held-out rows",
        "actor": "key deploy",
        "created_at": "2026-03-02T09:20:00Z",
    }
)
class ActivationSerializer(serializers.ModelSerializer[Activation]):
    classifier = serializers.CharField(source="classifier.name", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    threshold = serializers.FloatField(
        source="threshold_in_force", allow_null=True, help_text="Null with more than two classes."
    )
    costs = serializers.JSONField(
        source="costs_data", help_text="The costs of mistakes; empty if none were given."
    )

    class Meta:
        model = Activation
        fields = ["number", "classifier", "version", "threshold", "costs", "reason", "actor", "created_at"]


class CostsSerializer(StrictSerializer):
    unit = StrictCharField(required=False, allow_blank=True, max_length=LONGEST_UNIT, default="")
    mistakes = serializers.DictField(
        child=serializers.DictField(child=StrictFloatField(min_value=0)),
        help_text="The cost of each mistake, by actual and then by predicted class.",
    )


@example({"reason": "better recall on the held-out rows", "threshold": 0.31})
class ActivateSerializer(StrictSerializer):
    reason = StrictCharField(max_length=500)
    threshold = StrictFloatField(
        required=False,
        min_value=0,
        max_value=1,
        help_text="From which probability of the positive class of two a row is labelled so. Default: the cheapest one if "
        "there are costs, and otherwise that of the version.",
    )
    costs = CostsSerializer(
        required=False,
        help_text="What mistakes cost. With more than two classes, the label of the least expected cost is answered.",
    )
