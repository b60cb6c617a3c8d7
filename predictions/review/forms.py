"""The parameters of the queue of unsure predictions."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from training.models import Classifier


class QueueForm(forms.Form):
    """The classifier, the first one if there is none, and the id before which the queue goes on."""

    classifier = forms.ModelChoiceField(Classifier.objects.none(), required=False, to_field_name="name")
    before = forms.UUIDField(required=False)

    def __init__(self, data: Any, known: QuerySet[Classifier]) -> None:
        super().__init__(data)
        self.fields["classifier"].queryset = known  # type: ignore[attr-defined]
