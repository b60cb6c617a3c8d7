"""Serializers of training runs."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from clfsite.core.api.schema import example
from clfsite.core.api.serializers import (
    IdField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictFloatField,
    StrictIntegerField,
    StrictSerializer,
)
from training.datasets.serializers import CorrectionsSerializer
from training.ml.judge.aim import GOALS, Aim, AimError
from training.ml.search.families import AUTO, FAMILIES
from training.ml.search.recipe import BALANCED, MAX_FITS, PORTFOLIO, SEARCHES, Recipe
from training.ml.tables.contract import MAX_TEXT
from training.models import Dataset, Run, Version

_DEFAULT = Recipe()
# JSON has no infinity
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
    "group": None,
    "time": None,
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
        "phase": "save",
        "phase_done": 1,
        "phase_total": 1,
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
        "request_id": "019b2f3a7c41d95be802",
        "version": 3,
        "archived_at": None,
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
        help_text="Number of the version that the run created; null before."
    )
    seconds_left = serializers.FloatField(
        read_only=True,
        allow_null=True,
        help_text="Estimated seconds until the phase ends; null if unknown or if the run has ended.",
    )

    class Meta:
        model = Run
        fields = [
            "id", "classifier", "dataset", "recipe", "corrections", "state", "attempt", "phase", "phase_done",
            "phase_total", "fits_done", "fits_total", "best_score", "seconds_left", "candidates", "error", "warnings",
            "tracking_url", "request_id", "version", "archived_at", "created_at", "started_at", "cancel_requested_at", "finished_at",
        ]  # fmt: skip

    def get_version(self, run: Run) -> int | None:
        version: Version | None = getattr(run, "version", None)
        return version.number if version else None


class AimSerializer(StrictSerializer):
    goal = StrictChoiceField(choices=list(GOALS))
    value = StrictFloatField(
        max_value=LARGEST,
        allow_null=True,
        default=None,
        help_text="The minimum precision or recall; for cost, the number of false alarms that cost as much "
        "as a missed case.",
    )


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "example": "recall=0.8"},
            {
                "type": "object",
                "properties": {
                    "goal": {"type": "string", "enum": list(GOALS)},
                    "value": {"type": "number", "nullable": True},
                },
                "required": ["goal"],
                "additionalProperties": False,
            },
        ],
        "nullable": True,
    }
)
class AimField(serializers.Field[Any, Any, Any, Any]):
    """An aim as on the terminal, `recall=0.8`, or as in a recipe."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, str):
            try:
                return asdict(Aim.parse(data))
            except AimError as error:
                raise serializers.ValidationError(str(error)) from error
        read = AimSerializer().run_validation(data)
        try:
            return asdict(Aim(**read).check())
        except AimError as error:
            raise serializers.ValidationError({"value": str(error)}) from error

    def to_representation(self, value: Any) -> Any:
        return value


class RecipeSerializer(StrictSerializer):
    """A recipe; its members have the same defaults as on the terminal."""

    estimator = StrictChoiceField(choices=[*FAMILIES, AUTO], default=_DEFAULT.estimator)
    search = StrictChoiceField(
        choices=list(SEARCHES),
        required=False,
        help_text=f"Default: {PORTFOLIO} for {AUTO} without a space, otherwise {_DEFAULT.search}.",
    )
    scoring = StrictCharField(default=_DEFAULT.scoring)
    folds = StrictIntegerField(default=_DEFAULT.folds, min_value=2, max_value=100)
    seed = StrictIntegerField(default=_DEFAULT.seed, min_value=0, max_value=2**32 - 1)
    space = serializers.DictField(
        child=serializers.JSONField(),
        required=False,
        allow_null=True,
        default=None,
        help_text="Lists of values by parameter; for auto, one such mapping per family.",
    )
    class_weight = StrictChoiceField(choices=[BALANCED], allow_null=True, default=_DEFAULT.class_weight)
    max_fits = StrictIntegerField(min_value=1, max_value=MAX_FITS, allow_null=True, default=_DEFAULT.max_fits)
    max_minutes = StrictFloatField(max_value=LARGEST, allow_null=True, default=_DEFAULT.max_minutes)
    aim = AimField(
        allow_null=True, default=_DEFAULT.aim, help_text="The aim of the threshold, for two classes."
    )
    positive = StrictCharField(
        max_length=MAX_TEXT,
        trim_whitespace=False,
        allow_null=True,
        default=_DEFAULT.positive,
        help_text="The positive class of two. Precision, recall and the threshold refer to it. Default: the "
        "dataset's.",
    )
    group = StrictCharField(
        trim_whitespace=False,
        allow_null=True,
        default=_DEFAULT.group,
        help_text="A column whose values mark rows that belong together, such as a customer's number. No split parts "
        "them. It is not an input unless a correction takes it in.",
    )
    time = StrictCharField(
        trim_whitespace=False,
        allow_null=True,
        default=_DEFAULT.time,
        help_text="A column of dates or numbers that orders the rows: the newest fifth is held out, and folds are blocks of "
        "time. Not with `group`.",
    )


@example({"dataset": 7, "space": {"n_estimators": [100, 300]}, "max_minutes": 30})
class RunRequestSerializer(RecipeSerializer):
    """The request for a run: a dataset and a recipe, as one object or as single members.

    The result of GET is accepted; read-only members are ignored.
    """

    dataset = IdField(queryset=Dataset.objects.all())
    classifier = StrictCharField(max_length=100, required=False, help_text="Default: the dataset's name.")
    recipe = RecipeSerializer(
        required=False,
        help_text="A complete recipe, as returned by GET. Use it instead of the single members.",
    )
    corrections = CorrectionsSerializer(required=False, default=dict)
    activate = StrictBooleanField(default=False, help_text="Activate the new version when the run is done.")

    @property
    def known(self) -> list[str]:
        """The names of the allowed members, including those of GET."""
        return [*self.fields, *(name for name in RunSerializer.Meta.fields if name not in self.fields)]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        names = list(RecipeSerializer().fields)
        flat = {name: attrs.pop(name) for name in names if name in attrs}
        twice = [name for name in names if "recipe" in attrs and name in self.initial_data]
        if twice:
            raise serializers.ValidationError(
                dict.fromkeys(twice, "it cannot be combined with recipe; move it into recipe, or omit recipe")
            )
        return {**attrs, "recipe": Recipe(**attrs.get("recipe", flat))}


@example({"activate": False})
class RetrainSerializer(StrictSerializer):
    dataset = IdField(
        queryset=Dataset.objects.all(),
        allow_null=True,
        default=None,
        help_text="Default: the newest dataset with the name and target of the version's dataset.",
    )
    activate = StrictBooleanField(default=False, help_text="Activate the new version when the run is done.")
