"""The form to activate a version."""

from typing import Any

from django import forms

from training.models import Version


class ReasonForm(forms.Form):
    """The reason for an activation, filled in for the first of a classifier."""

    reason = forms.CharField(max_length=500, help_text="Kept in the history of the classifier.")

    def __init__(self, data: Any = None, *, version: Version) -> None:
        is_first = not version.classifier.activations.exists()
        initial = {"reason": f"first version of {version.classifier}"} if is_first else {}
        super().__init__(data, initial=initial)
