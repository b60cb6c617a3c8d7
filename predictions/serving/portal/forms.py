"""Forms for predictions."""

import re
from typing import Any
from urllib.parse import quote

from django import forms
from django.template.defaultfilters import capfirst

from clfsite.core.errors import ProblemError
from clfsite.core.web.forms import carry, read_text
from training.ml.files.notation import PLAIN
from training.ml.tables import times
from training.ml.tables.checks import read_cell
from training.ml.tables.contract import Contract, Feature, Kind
from training.ml.tables.digits import exact

# texts that browsers show in an input for a day, and in one for a time
DAY = re.compile(r"\d{4}-\d\d-\d\d")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?")


class FeatureField(forms.CharField):
    """One input of a contract. Only the contract validates the value; empty means missing."""

    def __init__(self, feature: Feature) -> None:
        super().__init__(
            required=not feature.missing,
            strip=False,
            label=feature.name,
            initial=_text(feature, feature.default),
            help_text=_hint(feature),
            widget=_widget(feature),
        )
        self.feature = feature

    def to_python(self, value: Any) -> Any:
        text = value or ""
        if self.feature.kind is Kind.TEXT:
            # browsers send line ends as CR LF
            text = text.replace("\r\n", "\n")
        # browsers send numbers with a point, whatever the notation of the training table
        notation = PLAIN if self.feature.kind in {Kind.INTEGER, Kind.NUMBER} else None
        return read_cell(self.feature, read_text(text, self.feature.categories), notation)

    def validate(self, value: Any) -> None:
        error, _ = self.feature.check(value)
        if error:
            raise forms.ValidationError(error.message, error.code)

    def run_validators(self, value: Any) -> None:
        """Do nothing: the contract has validated the value."""


class FeaturesForm(forms.Form):
    """A record to predict, one field per feature of a contract."""

    def __init__(self, contract: Contract, data: Any = None, record: dict[str, Any] | None = None) -> None:
        features = {feature.name: feature for feature in contract.features}
        known = {
            name: "" if value is None else _text(features.get(name), value)
            for name, value in (record or {}).items()
        }
        super().__init__(data, initial=known)
        for feature in contract.features:
            field = self.fields[feature.name] = FeatureField(feature)
            value = self[feature.name].value()
            if feature.kind is Kind.DATE:
                field.widget = _date_widget(feature, value)
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


def _text(feature: Feature | None, value: Any) -> str:
    """The text of a value in a form: dates in ISO 8601, as browsers send them."""
    if feature and feature.kind is Kind.TEXT and "\r" not in value and not value.startswith('"'):
        return str(value)
    if feature is None or feature.kind is not Kind.DATE:
        return carry(exact(value))
    moment = feature.moment(value)
    return str(value) if moment is None else times.write(moment, has_time=feature.has_times)


def _date_widget(feature: Feature, value: Any) -> forms.Widget:
    """An input for a day or for a time; one for texts if the browser could not show the value."""
    text = str(value or "")
    for kind, pattern, step in (("date", DAY, None), ("datetime-local", TIME, "any")):
        if pattern.fullmatch(text) if text else feature.has_times == (step is not None):
            return forms.DateInput(attrs={"type": kind, **({"step": step} if step else {})})
    return forms.TextInput()


def _widget(feature: Feature) -> forms.Widget:
    missing = [("", "(missing)")] if feature.missing else []
    if _is_flag(feature):
        return forms.Select(choices=[*missing, ("0", "0"), ("1", "1")])
    if feature.kind in {Kind.INTEGER, Kind.NUMBER}:
        return forms.NumberInput(attrs={"step": 1 if feature.kind is Kind.INTEGER else "any"})
    if feature.kind is Kind.TEXT:
        return forms.Textarea(attrs={"rows": 3})
    values = ("true", "false") if feature.kind is Kind.BOOLEAN else feature.categories
    return forms.Select(choices=[*missing, *((carry(value), value) for value in values)])


def _is_flag(feature: Feature) -> bool:
    """Whether training saw only 0 and 1, so a form offers these two."""
    return feature.kind is Kind.INTEGER and (feature.low, feature.high) == (0, 1)


def _hint(feature: Feature) -> str:
    hints = []
    if feature.span and not _is_flag(feature):
        zone = ", in UTC" if feature.has_times else ""
        hints.append(f"Training saw {' to '.join(feature.span)}{zone}.")
        if feature.missing:
            hints.append("Empty: missing.")
    return " ".join(hints)
