"""The form of what people note about a classifier."""

from typing import Any

from django import forms
from django.template.defaultfilters import capfirst

from clfsite.core.errors import ProblemError
from predictions.housekeeping.models import MOST_DAYS, days_of
from training.classifiers.service import Changes
from training.models import Classifier


class ClassifierForm(forms.ModelForm):  # type: ignore[type-arg]
    """Owner, notes, tags and the rules of one classifier."""

    tags = forms.CharField(
        required=False, max_length=1_000, help_text="Words for searching, separated by commas."
    )

    keep_days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_DAYS,
        label="Days in the log",
        help_text="Older predictions are removed daily; their counts stay. 0: never. Empty: the site's setting.",
    )

    class Meta:
        model = Classifier
        fields = ["owner", "tags", "notes", "strict", "set_level", "review", "is_default"]
        labels = {"strict": "Strict", "is_default": "Default classifier"}
        widgets = {"notes": forms.Textarea(attrs={"rows": 4})}

    def __init__(self, data: Any, classifier: Classifier) -> None:
        super().__init__(data, instance=classifier, initial=_initial(classifier))
        self.fields["set_level"].required = False
        if classifier.is_default or classifier.archived_at:
            # the default is moved to another classifier, not taken away
            del self.fields["is_default"]

    def _post_clean(self) -> None:
        """Leave the row to the service, which checks the rules that span rows."""

    @property
    def changes(self) -> Changes:
        data = self.cleaned_data
        return Changes(
            owner=data["owner"],
            notes=data["notes"],
            tags=data["tags"].split(","),
            strict=data["strict"],
            set_level=None if data["set_level"] == "" else data["set_level"],
            review=data["review"],
            is_default=data.get("is_default") or None,
        )

    def refuse(self, error: ProblemError) -> None:
        field = next(
            (name for word, name in (("tag", "tags"), ("review", "review")) if word in str(error)), None
        )
        self.add_error(field, capfirst(str(error)))


def _initial(classifier: Classifier) -> dict[str, Any]:
    return {"tags": ", ".join(classifier.tags), "keep_days": days_of(classifier)}
