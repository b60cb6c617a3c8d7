"""What people fill in to find predictions in the log, and to say which of them to add up."""

from typing import Any

from django import forms

from predictions.monitoring.analytics import PERIODS
from predictions.serving.forms import labels
from predictions.models import Prediction
from predictions.log.search import Wanted
from training.models import Classifier, Version

FEEDBACK = [("", "All"), ("with", "With"), ("without", "Without"), ("wrong", "Answer was wrong")]


class VersionField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One version among all, without their large columns."""

    def __init__(self) -> None:
        rows = Version.objects.select_related("classifier").only("number", "classifier__name")
        super().__init__(rows.order_by("classifier__name", "-number"), required=False, empty_label="All")


class PercentField(forms.FloatField):
    """A share, written in percent."""

    def __init__(self, label: str) -> None:
        super().__init__(required=False, label=label, min_value=0, max_value=100)
        self.widget.attrs["step"] = "any"

    def clean(self, value: Any) -> float | None:
        percent = super().clean(value)
        return None if percent is None else percent / 100


class MomentField(forms.DateTimeField):
    """A time in UTC, to the minute."""

    def __init__(self, label: str) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(required=False, label=label, widget=widget)


class LogForm(forms.Form):
    """Which predictions to list; `before` and `after` are the id that a page begins beside."""

    classifier = forms.ModelChoiceField(
        Classifier.objects.all(), required=False, to_field_name="name", empty_label="All"
    )
    version = VersionField()
    label = forms.ChoiceField(required=False)
    source = forms.ChoiceField(required=False, choices=[("", "All"), *Prediction.Source.choices])
    caller = forms.CharField(required=False, max_length=150)
    feedback = forms.ChoiceField(required=False, choices=FEEDBACK)
    since = MomentField("From (UTC)")
    until = MomentField("Until (UTC)")
    low = PercentField("Probability from (%)")
    high = PercentField("Probability to (%)")
    batch = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    before = forms.UUIDField(required=False, widget=forms.HiddenInput())
    after = forms.UUIDField(required=False, widget=forms.HiddenInput())

    PLACES = ("before", "after")
    SELDOM = ("since", "until", "low", "high", "batch")

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.fields["label"].choices = [("", "All"), *((label, label) for label in labels())]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for low, high, what in (("since", "until", "time"), ("low", "high", "probability")):
            first, last = cleaned.get(low), cleaned.get(high)
            if first is not None and last is not None and first > last:
                self.add_error(high, f"This {what} comes before the one that it begins with.")
        return cleaned

    @property
    def often(self) -> list[forms.BoundField]:
        """The filters that stand in sight."""
        return [field for field in self.visible_fields() if field.name not in self.SELDOM]

    @property
    def seldom(self) -> list[forms.BoundField]:
        """The filters that are folded away."""
        return [self[name] for name in self.SELDOM]

    @property
    def is_unfolded(self) -> bool:
        """Whether one of those is filled in."""
        return any(self.data.get(name) for name in self.SELDOM)

    @property
    def is_filtered(self) -> bool:
        return any(self.data.get(name) for name in self.fields if name not in self.PLACES)

    @property
    def wanted(self) -> Wanted:
        """What a valid form asks for."""
        data = self.cleaned_data
        names = ("label", "source", "caller", "batch", "since", "until", "low", "high", "feedback")
        return Wanted(versions=self._versions(), **{name: data[name] for name in names})

    def _versions(self) -> tuple[int, ...] | None:
        classifier, version = self.cleaned_data["classifier"], self.cleaned_data["version"]
        if version:
            return (version.pk,) if classifier in {None, version.classifier} else ()
        if classifier:
            return tuple(Version.objects.filter(classifier=classifier).values_list("pk", flat=True))
        return None


class AnalyticsForm(forms.Form):
    """What to look at: a classifier, one of its versions or all, and how far back; what makes no sense falls to the default."""

    classifier = forms.ChoiceField(required=False)
    version = forms.ChoiceField(required=False)
    period = forms.ChoiceField(
        required=False, label="Time", choices=[(name, each.title) for name, each in PERIODS.items()]
    )

    DEFAULT_PERIOD = "30d"

    def __init__(self, data: Any) -> None:
        classifiers = list(Classifier.objects.order_by("-is_default", "name"))
        asked = [each for each in classifiers if each.name == data.get("classifier")]
        self.chosen = next(iter([*asked, *classifiers]), None)
        rows = Version.objects.filter(classifier=self.chosen).select_related("classifier")
        bulk = ("golden", "artifacts", "libraries", "params", "cross_validation")
        self.all_versions = list(rows.defer(*bulk).order_by("-number"))
        self.span = data["period"] if data.get("period") in PERIODS else self.DEFAULT_PERIOD
        named = [each for each in self.all_versions if str(each.number) == data.get("version")]
        self.versions = named or self.all_versions
        super().__init__(
            {
                "classifier": self.chosen.name if self.chosen else "",
                "version": str(named[0].number) if named else "",
                "period": self.span,
            }
        )
        self._choose("classifier", [(each.name, each.name) for each in classifiers])
        numbers = [(str(each.number), f"Version {each.number}") for each in self.all_versions]
        self._choose("version", [("", "All versions"), *numbers])

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]
