"""The forms to activate a version, and to say what its mistakes cost."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

from django import forms
from django.template.defaultfilters import capfirst

from training.ml.judge.costs import LONGEST_UNIT, Costs, CostsError
from training.models import Version

# classes up to which a page asks for the cost of every mistake
MOST_CLASSES = 5


class ReasonForm(forms.Form):
    """The reason for an activation, filled in for the first of a classifier."""

    reason = forms.CharField(max_length=500, help_text="Kept in the history of the classifier.")

    def __init__(self, data: Any = None, *, version: Version, initial: dict[str, Any] | None = None) -> None:
        is_first = not version.classifier.activations.exists()
        reason = {"reason": f"first version of {version.classifier}"} if is_first else {}
        super().__init__(data, initial={**reason, **(initial or {})})


class DecisionForm(ReasonForm):
    """The reason, with the threshold of two classes, or with the choice of the cheapest label of more if costs are known."""

    threshold = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        widget=forms.NumberInput(attrs={"step": "any", "autocomplete": "off"}),
    )
    by_costs = forms.BooleanField(
        required=False,
        label="Answer the label with the least expected cost",
        help_text="If not selected, the most probable label is answered.",
    )

    def __init__(
        self, data: Any = None, *, version: Version, has_costs: bool, initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, version=version, initial=initial)
        if version.threshold is None:
            del self.fields["threshold"]
        if version.threshold is not None or not has_costs:
            del self.fields["by_costs"]


class CostsForm(forms.Form):
    """What each mistake costs, in a unit of the person's own."""

    unit = forms.CharField(
        required=False, max_length=LONGEST_UNIT, help_text="Such as EUR, minutes or points."
    )

    def __init__(self, data: Any = None, *, known: Costs) -> None:
        self._classes = known.classes
        initial = {"unit": known.unit} | {
            self._name(actual, label): known.matrix[actual][label] for actual, label in self._mistakes()
        }
        super().__init__(data, initial=initial)
        for actual, label in self._mistakes():
            self.fields[self._name(actual, label)] = forms.FloatField(
                label=f"{self._classes[actual]} labelled {self._classes[label]}"[:100],
                min_value=0,
                widget=forms.NumberInput(attrs={"step": "any"}),
            )

    def _mistakes(self) -> Iterator[tuple[int, int]]:
        return permutations(range(len(self._classes)), 2)

    @staticmethod
    def _name(actual: int, label: int) -> str:
        return f"cost-{actual}-{label}"

    @staticmethod
    def is_in(data: Any) -> bool:
        """Whether the parameters of an address hold costs."""
        return any(name.startswith("cost-") for name in data)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.costs = Costs.from_dict(self._data(cleaned), self._classes)
            except CostsError as error:
                raise forms.ValidationError(capfirst(f"{error}.")) from error
        return cleaned

    def _data(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        mistakes: dict[str, dict[str, float]] = {name: {} for name in self._classes}
        for actual, label in self._mistakes():
            mistakes[self._classes[actual]][self._classes[label]] = cleaned[self._name(actual, label)]
        return {"unit": cleaned["unit"], "mistakes": mistakes}
