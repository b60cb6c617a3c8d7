"""What people fill in to get answers, and to find them again."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django import forms
from django.http import HttpRequest
from django.template.defaultfilters import capfirst

from clfsite.core.web.permissions import SCOPES
from clfsite.core.web.templatetags.portal import shown
from predictions.keys.service import MAX_RATE
from predictions.serving.live_models import Live
from predictions.models import Batch
from clfsite.core.errors import Refused
from training.runs.forms import UploadForm
from training.ml.tables.checks import read_cell
from training.ml.tables.contract import Contract, Feature, Kind
from training.models import Version


class FeatureField(forms.CharField):
    """One input of a contract, which alone judges the value; empty stands for missing."""

    def __init__(self, feature: Feature) -> None:
        super().__init__(
            required=not feature.missing,
            strip=False,
            label=feature.name,
            initial=shown(feature.default),
            help_text=_hint(feature),
            widget=_widget(feature),
        )
        self.feature = feature

    def to_python(self, value: Any) -> Any:
        return read_cell(self.feature, value or "")

    def validate(self, value: Any) -> None:
        error, _ = self.feature.check(value)
        if error:
            raise forms.ValidationError(error.message, error.code)

    def run_validators(self, value: Any) -> None:
        """The contract has said it all."""


class FeaturesForm(forms.Form):
    """A record to predict, one field per feature of a contract."""

    def __init__(self, contract: Contract, data: Any = None, record: dict[str, Any] | None = None) -> None:
        known = {name: "" if value is None else shown(value) for name, value in (record or {}).items()}
        super().__init__(data, initial=known)
        for feature in contract.features:
            field = self.fields[feature.name] = FeatureField(feature)
            value = self[feature.name].value()
            if isinstance(field.widget, forms.Select) and value and value not in dict(field.widget.choices):
                # a value that training never saw may come with the form, and stays in it
                field.widget.choices = [*field.widget.choices, (value, value)]

    def add_prefix(self, field_name: str) -> str:
        # names of features may hold spaces, which no id in HTML may
        return f"feature-{quote(field_name, safe='')}"

    def refuse(self, error: Refused) -> None:
        """Show what the contract said of each feature, or else of the whole."""
        faults = [fault for fault in error.errors if fault.get("feature") in self.fields]
        for fault in faults:
            self.add_error(fault["feature"], fault["message"])
        if not faults:
            self.add_error(None, capfirst(str(error)))


class BatchForm(UploadForm):
    """A table to score, and by which classifier."""

    model = forms.ChoiceField(label="Classifier")
    field_order = ["model", "file"]

    def __init__(self, request: HttpRequest, lives: list[Live]) -> None:
        super().__init__(request)
        names = [live.classifier for live in lives]
        self.fields["model"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
        self.fields["model"].initial = names[0] if names else ""
        if len(names) == 1:
            self.fields["model"].widget = forms.HiddenInput()


class StartForm(forms.Form):
    """How to go on with a checked file."""

    mode = forms.ChoiceField(choices=Batch.Mode.choices)


class FeedbackForm(forms.Form):
    """What one prediction should have answered; `replace` where the page showed another truth."""

    label = forms.ChoiceField(label="What it should have been")
    replace = forms.BooleanField(required=False, widget=forms.HiddenInput())

    def __init__(self, classes: Sequence[str], data: Any = None, known: str | None = None) -> None:
        super().__init__(data, initial={"label": known, "replace": known is not None})
        choices = [] if known else [("", "Choose")]
        self.fields["label"].choices = [*choices, *((each, each) for each in classes)]  # type: ignore[attr-defined]


class FeedbackUploadForm(UploadForm):
    """A table of ids and true labels."""

    replace = forms.BooleanField(
        required=False,
        label="Correct labels given before",
        help_text="Without it a row with another label than before is refused.",
    )


class KeyForm(forms.Form):
    """A key for a program that calls; `life` is how long it is to work."""

    name = forms.CharField(max_length=100, help_text="Who or what calls with it: it stands in the log.")
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        choices=[(scope, f"{scope}: {what}") for scope, what in SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "A key that may do nothing opens nothing; choose at least one."},
    )
    expires = forms.TypedChoiceField(
        label="Works for",
        required=False,
        coerce=int,
        empty_value=None,
        initial=90,
        choices=[
            (7, "7 days"),
            (30, "30 days"),
            (90, "90 days"),
            (365, "a year"),
            ("", "as long as it is not revoked"),
        ],
        help_text="A key that somebody forgets ends by itself.",
    )
    rate = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_RATE,
        label="Calls a minute",
        help_text="0 for no limit. Empty: what the site allows (CLFSITE_KEY_RATE).",
    )

    @property
    def life(self) -> timedelta | None:
        days = self.cleaned_data["expires"]
        return timedelta(days=days) if days else None


def labels() -> list[str]:
    """Every class of every version: a short list, where asking the log would read all of it."""
    classes = Version.objects.order_by().values_list("contract_data__classes", flat=True).distinct()
    return sorted({label for each in classes for label in each})


def _widget(feature: Feature) -> forms.Widget:
    if feature.kind in {Kind.INTEGER, Kind.NUMBER}:
        return forms.NumberInput(attrs={"step": 1 if feature.kind is Kind.INTEGER else "any"})
    values = ("true", "false") if feature.kind is Kind.BOOLEAN else feature.categories
    missing = [("", "(missing)")] if feature.missing else []
    return forms.Select(choices=[*missing, *((value, value) for value in values)])


def _hint(feature: Feature) -> str:
    hints = []
    if feature.low is not None and feature.high is not None:
        hints.append(f"Training saw {shown(feature.low)} to {shown(feature.high)}.")
        if feature.missing:
            hints.append("Empty: missing.")
    return " ".join(hints)
