"""Shapes of training runs in the API."""

from typing import Any

from rest_framework import serializers

from clfsite.core.web.schema import example
from training.datasets.serializers import CorrectionsSerializer
from training.ml.judge.aim import GOALS
from training.ml.search.families import AUTO, FAMILIES
from training.ml.search.recipe import BALANCED, MAX_FITS, SEARCHES, Recipe
from training.models import Dataset, Run, Version

_DEFAULT = Recipe()
# infinity does not go into JSON
LARGEST = 1e9
RECIPE_EXAMPLE = {
    "estimator": "random_forest",
    "search": "grid",
    "scoring": "roc_auc",
    "folds": 5,
    "seed": 0,
    "space": {"n_estimators": [100, 300], "max_depth": [8, None]},
    "class_weight": None,
    "max_fits": None,
    "max_minutes": 30,
    "aim": None,
}


@example(
    {
        "id": 12,
        "classifier": "churn",
        "dataset": 7,
        "recipe": RECIPE_EXAMPLE,
        "corrections": {"columns": {}, "strict": False},
        "state": "succeeded",
        "attempt": 1,
        "fits_done": 20,
        "fits_total": 20,
        "best_score": 0.847,
        "seconds_left": None,
        "candidates": [
            {
                "family": "random_forest",
                "params": {"n_estimators": 300, "max_depth": 8},
                "mean": 0.847,
                "std": 0.009,
                "rank": 1,
                "seconds": 4.2,
            }
        ],
        "error": "",
        "warnings": [],
        "tracking_url": "",
        "version": 3,
        "created_at": "2026-03-02T09:15:00Z",
        "started_at": "2026-03-02T09:15:01Z",
        "cancel_requested_at": None,
        "finished_at": "2026-03-02T09:16:44Z",
    }
)
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


@example({"dataset": 7, "space": {"n_estimators": [100, 300]}, "max_minutes": 30})
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


@example({"activate": False})
class RetrainSerializer(serializers.Serializer[Any]):
    dataset = serializers.PrimaryKeyRelatedField(
        queryset=Dataset.objects.all(),
        allow_null=True,
        default=None,
        help_text="Default: the newest of the name and target that the version was trained on.",
    )
    activate = serializers.BooleanField(default=False, help_text="Let the new version answer at once.")
