"""Shapes of datasets, runs, classifiers and versions in the API."""

from typing import Any

from rest_framework import serializers

from training.ml.tables.corrections import Choice
from training.ml.search.estimators import AUTO, FAMILIES
from training.ml.search.recipe import BALANCED, MAX_FITS, SEARCHES, Recipe
from training.ml.judge.threshold import GOALS
from training.models import Activation, Classifier, Dataset, Run, Version

_DEFAULT = Recipe()
# infinity does not go into JSON
LARGEST = 1e9


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


class OneFileField(serializers.FileField):
    """A file that comes alone under its name."""

    def get_value(self, dictionary: Any) -> Any:
        found = dictionary.getlist(self.field_name) if hasattr(dictionary, "getlist") else []
        return found if len(found) > 1 else super().get_value(dictionary)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list):
            raise serializers.ValidationError(f"{len(data)} files came; send one file")
        return super().to_internal_value(data)


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


class RunSerializer(serializers.ModelSerializer[Run]):
    classifier = serializers.CharField(source="classifier.name")
    recipe = serializers.JSONField(source="recipe_data")
    corrections = CorrectionsSerializer(source="corrections.to_dict")
    version = serializers.SerializerMethodField(
        help_text="Number of the version it produced, null until then."
    )
    seconds_left = serializers.FloatField(
        read_only=True,
        allow_null=True,
        help_text="About how long the search still takes; null while nothing can be said, and once it is over.",
    )

    class Meta:
        model = Run
        fields = [
            "id", "classifier", "dataset", "recipe", "corrections", "state", "attempt", "fits_done", "fits_total",
            "best_score", "seconds_left", "candidates", "error", "warnings", "tracking_url", "version", "created_at",
            "started_at",
            "cancel_requested_at", "finished_at",
        ]  # fmt: skip

    def get_version(self, run: Run) -> int | None:
        version: Version | None = getattr(run, "version", None)
        return version.number if version else None


class AimSerializer(serializers.Serializer[Any]):
    goal = serializers.ChoiceField(choices=list(GOALS))
    value = serializers.FloatField(
        max_value=LARGEST,
        allow_null=True,
        default=None,
        help_text="The least precision or recall; for cost, how many false alarms a missed case costs.",
    )


class RunRequestSerializer(serializers.Serializer[Any]):
    dataset = serializers.PrimaryKeyRelatedField(queryset=Dataset.objects.all())
    classifier = serializers.CharField(
        max_length=100, required=False, help_text="Default: the dataset's name."
    )
    estimator = serializers.ChoiceField(choices=[*FAMILIES, AUTO], default=_DEFAULT.estimator)
    search = serializers.ChoiceField(choices=list(SEARCHES), default=_DEFAULT.search)
    scoring = serializers.CharField(default=_DEFAULT.scoring)
    folds = serializers.IntegerField(default=_DEFAULT.folds, min_value=2, max_value=100)
    seed = serializers.IntegerField(default=_DEFAULT.seed, min_value=0, max_value=2**32 - 1)
    space = serializers.DictField(
        child=serializers.JSONField(),
        required=False,
        allow_null=True,
        default=None,
        help_text="Lists of values by parameter; for auto, such mappings by family.",
    )
    class_weight = serializers.ChoiceField(choices=[BALANCED], allow_null=True, default=_DEFAULT.class_weight)
    max_fits = serializers.IntegerField(
        min_value=1, max_value=MAX_FITS, allow_null=True, default=_DEFAULT.max_fits
    )
    max_minutes = serializers.FloatField(max_value=LARGEST, allow_null=True, default=_DEFAULT.max_minutes)
    aim = AimSerializer(
        allow_null=True, default=_DEFAULT.aim, help_text="What the threshold of two classes is to serve."
    )
    corrections = CorrectionsSerializer(required=False, default=dict)
    activate = serializers.BooleanField(default=False, help_text="Let the new version answer at once.")


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


class RetrainSerializer(serializers.Serializer[Any]):
    dataset = serializers.PrimaryKeyRelatedField(
        queryset=Dataset.objects.all(),
        allow_null=True,
        default=None,
        help_text="Default: the newest of the name and target that the version was trained on.",
    )
    activate = serializers.BooleanField(default=False, help_text="Let the new version answer at once.")
