"""Forms for predictions."""

from typing import Any
from urllib.parse import quote

from django import forms
from django.template.defaultfilters import capfirst

from clfsite.core.errors import ProblemError
from clfsite.core.web.forms import carry, read_text
from training.ml.tables.checks import read_cell
from training.ml.tables.contract import Contract, Feature, Kind
from training.ml.tables.digits import apart, exact


class FeatureField(forms.CharField):
    """One input of a contract. Only the contract validates the value; empty means missing."""

    def __init__(self, feature: Feature) -> None:
        super().__init__(
            required=not feature.missing,
            strip=False,
            label=feature.name,
            initial=carry(exact(feature.default)),
            help_text=_hint(feature),
            widget=_widget(feature),
        )
        self.feature = feature

    def to_python(self, value: Any) -> Any:
        return read_cell(self.feature, read_text(value or "", self.feature.categories))

    def validate(self, value: Any) -> None:
        error, _ = self.feature.check(value)
        if error:
            raise forms.ValidationError(error.message, error.code)

    def run_validators(self, value: Any) -> None:
        """Do nothing: the contract has validated the value."""


class FeaturesForm(forms.Form):
    """A record to predict, one field per feature of a contract."""

    def __init__(self, contract: Contract, data: Any = None, record: dict[str, Any] | None = None) -> None:
        known = {name: "" if value is None else carry(exact(value)) for name, value in (record or {}).items()}
        super().__init__(data, initial=known)
        for feature in contract.features:
            field = self.fields[feature.name] = FeatureField(feature)
            value = self[feature.name].value()
            if isinstance(field.widget, forms.Select) and value and value not in dict(field.widget.choices):
                # the form may contain a value outside the training data, and keeps it
                text = read_text(value, feature.categories)
                field.widget.choices = [*field.widget.choices, (value, text)]

    def add_prefix(self, field_name: str) -> str:
        # names of features may contain spaces, ids in HTML may not
        return f"feature-{quote(field_name, safe='')}"

    def refuse(self, error: ProblemError) -> None:
        """Show the contract's errors at the features, and the others at the form."""
        problems = [problem for problem in error.errors if problem.get("feature") in self.fields]
        for problem in problems:
            self.add_error(problem["feature"], problem["message"])
        if not problems:
            self.add_error(None, capfirst(str(error)))


def _widget(feature: Feature) -> forms.Widget:
    if feature.kind in {Kind.INTEGER, Kind.NUMBER}:
        return forms.NumberInput(attrs={"step": 1 if feature.kind is Kind.INTEGER else "any"})
    values = ("true", "false") if feature.kind is Kind.BOOLEAN else feature.categories
    missing = [("", "(missing)")] if feature.missing else []
    return forms.Select(choices=[*missing, *((carry(value), value) for value in values)])


def _hint(feature: Feature) -> str:
    hints = []
    if feature.low is not None and feature.high is not None:
        hints.append(f"Training saw {' to '.join(apart(feature.low, feature.high))}.")
        if feature.missing:
            hints.append("Empty: missing.")
    return " ".join(hints)
