"""The filters of the prediction log."""

from typing import Any

from django import forms
from django.template.defaultfilters import capfirst

from clfsite.core.requests.moments import read_moment
from clfsite.core.web.forms import TextChoiceField
from predictions.log.search import Wanted
from predictions.models import Prediction
from training.ml.tables.labels import in_order
from training.models import Classifier, Version

FEEDBACK = [("", "All"), ("with", "With"), ("without", "Without"), ("wrong", "Prediction was wrong")]


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


class MomentInput(forms.DateTimeInput):
    """A browser's field for times, which accepts only its own format."""

    def __init__(self) -> None:
        super().__init__(attrs={"type": "datetime-local", "step": "any"})

    def format_value(self, value: Any) -> str | None:
        """The time in UTC in the browser's format; an invalid time is not changed."""
        try:
            moment = read_moment(value)
        except ValueError:
            return str(value)
        except AttributeError:  # nothing came
            return None
        return moment.replace(tzinfo=None).isoformat()


class MomentField(forms.CharField):
    """A date or time in ISO 8601, in UTC if it has no time zone."""

    def __init__(self, label: str) -> None:
        super().__init__(required=False, label=label, widget=MomentInput())

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return read_moment(text)
        except ValueError as error:
            raise forms.ValidationError(capfirst(f"{error}.")) from error


class LogForm(forms.Form):
    """The filters of the log; `before` and `after` are the ids next to which a page starts."""

    classifier = forms.ModelChoiceField(
        Classifier.objects.all(), required=False, to_field_name="name", empty_label="All"
    )
    version = VersionField()
    label = TextChoiceField(required=False)
    source = forms.ChoiceField(required=False, choices=[("", "All"), *Prediction.Source.choices])
    caller = forms.CharField(required=False, max_length=150)
    feedback = forms.ChoiceField(required=False, choices=FEEDBACK)
    since = MomentField("From (UTC)")
    until = MomentField("Until (UTC)")
    low = PercentField("Probability from (%)")
    high = PercentField("Probability to (%)")
    reference = forms.CharField(required=False, max_length=200)
    batch = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    request_id = forms.CharField(required=False, max_length=64, label="Request id")
    before = forms.UUIDField(required=False, widget=forms.HiddenInput())
    after = forms.UUIDField(required=False, widget=forms.HiddenInput())

    PLACES = ("before", "after")
    SELDOM = ("reference", "since", "until", "low", "high", "batch", "request_id")

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.fields["label"].offer(labels(), [("", "All")])  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for low, high, what in (("since", "until", "time"), ("low", "high", "probability")):
            first, last = cleaned.get(low), cleaned.get(high)
            if first is not None and last is not None and first > last:
                self.add_error(high, f"The end {what} is before the start.")
        return cleaned

    @property
    def often(self) -> list[forms.BoundField]:
        """The visible filters."""
        return [field for field in self.visible_fields() if field.name not in self.SELDOM]

    @property
    def seldom(self) -> list[forms.BoundField]:
        """The collapsed filters."""
        return [self[name] for name in self.SELDOM]

    @property
    def is_unfolded(self) -> bool:
        """Whether one of the collapsed filters is set."""
        return any(self.data.get(name) for name in self.SELDOM)

    @property
    def is_filtered(self) -> bool:
        return any(self.data.get(name) for name in self.fields if name not in self.PLACES)

    @property
    def wanted(self) -> Wanted:
        """The search of a valid form."""
        data = self.cleaned_data
        names = (
            "label",
            "source",
            "caller",
            "reference",
            "request_id",
            "batch",
            "since",
            "until",
            "low",
            "high",
            "feedback",
        )
        return Wanted(versions=self._versions(), **{name: data[name] for name in names})

    def _versions(self) -> tuple[int, ...] | None:
        classifier, version = self.cleaned_data["classifier"], self.cleaned_data["version"]
        if version:
            return (version.pk,) if classifier in {None, version.classifier} else ()
        if classifier:
            return tuple(Version.objects.filter(classifier=classifier).values_list("pk", flat=True))
        return None


def labels() -> list[str]:
    """All classes of all versions, because a query of the labels in the log would read all of it."""
    classes = Version.objects.order_by().values_list("contract_data__classes", flat=True).distinct()
    return list(in_order({label for names in classes for label in names}))
