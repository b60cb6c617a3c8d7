"""Forms of training runs."""

import json
from dataclasses import asdict
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.template.defaultfilters import capfirst

from training.efforts import estimate, machine
from training.efforts.efforts import CUSTOM, EFFORTS, USUAL, effort_of
from training.ml.judge.aim import Aim, AimError
from training.ml.search.families import AUTO, FAMILIES
from training.ml.search.recipe import (
    BALANCED,
    MAX_FITS,
    PORTFOLIO,
    PORTFOLIO_MINUTES,
    RANDOM_CANDIDATES,
    SEARCHES,
    Recipe,
    RecipeError,
)
from training.ml.tables.labels import distinct
from training.models import Classifier, Dataset, Run
from training.templatetags.titles import METRIC_TITLES, metric

SEARCH_TITLES = {
    "grid": "Grid: try every combination of settings",
    "random": f"Random: try {RANDOM_CANDIDATES} combinations drawn by the seed",
    "halving": "Halving: try all combinations on few rows, continue with the best third",
    "optuna": f"Optuna: try {RANDOM_CANDIDATES} combinations, each chosen by what came before",
    PORTFOLIO: "Portfolio: proven settings of all kinds of models, then a search around the best",
}
GOAL_TITLES = {
    "": "No aim: the more probable class",
    "f1": "The best F1",
    "precision": "A precision of at least …",
    "recall": "A recall of at least …",
    "cost": "The lowest cost, if a missed case costs as much as … false alarms",
}
# digits of a number that all databases can compare
LONGEST_NUMBER = 18
# fields that are folded away
ADVANCED = (
    *("estimator", "search", "scoring", "folds", "seed", "space", "class_weight"),
    *("max_fits", "max_minutes", "goal", "goal_value"),
)
NAME_HINT = "Letters, digits, dots, hyphens and underscores."


class RunForm(forms.Form):
    """The form of a training run; `recipe` is its result or its initial recipe."""

    dataset = forms.ModelChoiceField(Dataset.objects.none(), empty_label=None)
    classifier = forms.CharField(
        max_length=100,
        required=False,
        help_text=f"The classifier that gets the new version. It is created if it does not exist. Empty: the "
        f"dataset's name. {NAME_HINT}",
    )
    effort = forms.ChoiceField(
        required=False,
        label="How hard to search",
        choices=[
            *((name, f"{effort.title}: {effort.hint}") for name, effort in EFFORTS.items()),
            (CUSTOM, "My own settings, under Advanced"),
        ],
        help_text="The first three end early if no better model is found for some time, so Balanced and "
        "Thorough may take the same time.",
        widget=forms.RadioSelect,
    )
    estimator = forms.ChoiceField(
        choices=[
            *((key, family.title) for key, family in FAMILIES.items() if family.is_offered),
            (AUTO, "All of them"),
        ],
        help_text="The kind of model. A random forest works well on most tables; logistic regression is the "
        "fastest.",
    )
    search = forms.ChoiceField(
        choices=[(key, SEARCH_TITLES.get(key, key)) for key in SEARCHES],
        help_text="How the settings of the model are searched. The portfolio is for all kinds of models.",
    )
    scoring = forms.ChoiceField(
        help_text="The metric to optimize. ROC-AUC measures how well the classes are separated, independent "
        "of the threshold."
    )
    folds = forms.IntegerField(
        min_value=2,
        max_value=100,
        help_text="Each setting is trained this many times and evaluated on a different part of the rows "
        "each time. More folds take longer.",
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=2**32 - 1,
        help_text="The same seed, table and recipe reproduce the model.",
    )
    space = forms.CharField(
        required=False,
        max_length=10_000,
        label="Values to try",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "font-monospace"}),
        help_text="Empty: sensible defaults. Otherwise JSON with a list of values for each setting: "
        '{"max_depth": [4, 8]}',
    )
    class_weight = forms.TypedChoiceField(
        required=False,
        empty_value=None,
        choices=[("", "Every row counts the same"), (BALANCED, "Balanced: rows of rare classes count more")],
        label="Class weights",
        help_text="Balanced helps if the important class is rare, but makes its probabilities too high.",
    )
    max_fits = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_FITS,
        label="At most this many fits",
        help_text="The search stops and keeps the best setting so far. Empty: no limit.",
    )
    max_minutes = forms.FloatField(
        required=False,
        min_value=0.01,
        label="At most this many minutes",
        help_text="For the search only; the evaluation of the best model takes additional time. For the portfolio, the "
        f"time of the whole run. Empty: no limit, or {PORTFOLIO_MINUTES:g} minutes for the portfolio.",
    )
    goal = forms.ChoiceField(
        required=False,
        choices=list(GOAL_TITLES.items()),
        label="Aim of the threshold",
        help_text="Determines the probability from which the positive class is predicted. Only for tables "
        "with two classes.",
    )
    goal_value = forms.FloatField(
        required=False,
        label="Value of the aim",
        help_text="A share such as 0.9 for precision and recall, a number such as 5 for the cost.",
    )
    activate = forms.BooleanField(
        required=False,
        label="Activate when done",
        help_text="The new version becomes active at once. If not selected, someone has to activate it.",
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        may_activate: bool,
        dataset: str = "",
        repeats: Run | None = None,
    ) -> None:
        self.repeats = repeats
        self.start = repeats.recipe if repeats else Recipe()
        effort = effort_of(self.start) if repeats else USUAL
        self.recipe = EFFORTS[effort].recipe(self.start) if effort in EFFORTS else self.start
        empty = {name: "" if value is None else value for name, value in self.start.to_dict().items()}
        aim = self.start.aim or {}
        initial = {
            "dataset": dataset,
            "effort": effort,
            **empty,
            "goal": aim.get("goal", ""),
            "goal_value": aim.get("value") or "",
        }
        initial["space"] = json.dumps(self.start.space) if self.start.space else ""
        if repeats:
            initial |= {"dataset": repeats.dataset_id, "classifier": repeats.classifier.name}
        super().__init__(data, initial=initial)
        datasets = _choices(repeats).defer("contract_data", "profile")
        self.fields["dataset"].queryset = datasets  # type: ignore[attr-defined]
        self.fields["dataset"].label_from_instance = describe  # type: ignore[attr-defined]
        # a recipe of the API may use any scorer of scikit-learn
        scorings = {**METRIC_TITLES, self.start.scoring: metric(self.start.scoring)}
        self.fields["scoring"].choices = list(scorings.items())  # type: ignore[attr-defined]
        if not may_activate:
            del self.fields["activate"]

    @property
    def chosen(self) -> Dataset | None:
        """The dataset of the form, by default the newest; None if there are no datasets."""
        value = str(self["dataset"].value() or "")
        datasets = _choices(self.repeats).defer("profile")
        is_number = value.isascii() and value.isdecimal() and len(value) <= LONGEST_NUMBER
        named = datasets.filter(pk=value).first() if is_number else None
        return named or datasets.first()

    @property
    def has_advanced(self) -> bool:
        """Whether the advanced section is used or has errors."""
        names = ("class_weight", "goal", "goal_value")
        wrong = any(name in ADVANCED for name in self.errors)
        return wrong or self.chosen_effort == CUSTOM or any(self[name].value() for name in names)

    @property
    def chosen_effort(self) -> str:
        """The plain choice; a form without one, such as that of a script, has its own settings."""
        return str(self["effort"].value() or CUSTOM)

    @property
    def estimates(self) -> list[tuple[str, str, float | None]]:
        """Name, title and seconds of each choice for the chosen dataset."""
        dataset, runs, speed = self.chosen, estimate.past(), machine.latest()
        size = estimate.size_of(dataset) if dataset else None
        recipes = {name: effort.recipe(self.recipe) for name, effort in EFFORTS.items()}
        if self.chosen_effort == CUSTOM:
            recipes[CUSTOM] = self.recipe
        titles = {**{name: effort.title for name, effort in EFFORTS.items()}, CUSTOM: "Your settings"}
        return [
            (name, titles[name], estimate.seconds(size, recipe, runs, speed) if size else None)
            for name, recipe in recipes.items()
        ]

    def clean_space(self) -> dict[str, Any] | None:
        written = self.cleaned_data["space"].strip()
        try:
            space = json.loads(written or "{}")
            kept = json.dumps(space, allow_nan=False)
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(
                'This is not JSON; expected an object such as {"max_depth": [4, 8]}.'
            ) from error
        if not isinstance(space, dict) or "\\u0000" in kept:
            raise forms.ValidationError(
                'Expected a list of values for each setting, such as {"max_depth": [4, 8]}.'
            )
        return space or None

    def clean(self) -> None:
        """Build the recipe. Members without a field are taken from the repeated run."""
        self._check_budget()
        values = {**self.start.to_dict(), **self.cleaned_data, "aim": self._aim()}
        if effort := EFFORTS.get(self.cleaned_data.get("effort") or CUSTOM):
            values |= effort.values
        try:
            self.recipe = Recipe(**{name: values[name] for name in self.start.to_dict()}).check()
        except RecipeError as error:
            raise forms.ValidationError(capfirst(str(error))) from error

    def _check_budget(self) -> None:
        folds, fits = self.cleaned_data.get("folds"), self.cleaned_data.get("max_fits")
        if folds and fits and fits < folds:
            self.add_error("max_fits", f"Expected at least {folds} fits, one per fold; got {fits}.")

    def _aim(self) -> dict[str, Any] | None:
        """The aim of the threshold; None if there is none or if it is invalid."""
        goal, dataset = self.cleaned_data.get("goal"), self.cleaned_data.get("dataset")
        if not goal or "goal_value" in self.errors:
            return None
        count = distinct(dataset.contract.classes) if dataset else 2
        if count > 2:  # noqa: PLR2004
            self.add_error("goal", f"An aim requires two classes; this table has {count}.")
            return None
        try:
            aim = Aim(goal, None if goal == "f1" else self.cleaned_data.get("goal_value")).check()
        except AimError as error:
            self.add_error("goal_value", f"{capfirst(str(error))}.")
            return None
        return asdict(aim)


class RunsForm(forms.Form):
    """The filters of the list of runs."""

    state = forms.ChoiceField(required=False)
    classifier = forms.ModelChoiceField(
        Classifier.objects.filter(archived_at=None), required=False, to_field_name="name", empty_label="All"
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        choices = [("", "All"), *((state, capfirst(title)) for state, title in Run.State.choices)]
        self.fields["state"].choices = choices  # type: ignore[attr-defined]


class RetrainForm(forms.Form):
    """The dataset for retraining; by default the newest."""

    dataset = forms.ModelChoiceField(Dataset.objects.all(), required=False)


def _choices(repeats: Run | None) -> QuerySet[Dataset]:
    """The datasets to train on, newest first: those not archived, and that of the run to repeat."""
    shown = Q(archived_at=None) | Q(pk=repeats.dataset_id if repeats else None)
    return Dataset.objects.filter(shown).order_by("-id")


def describe(dataset: Any) -> str:
    """A dataset as one line of a list."""
    return f"{dataset}: {dataset.rows:,} rows, predicts {dataset.target}"
