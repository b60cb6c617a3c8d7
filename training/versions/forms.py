"""The form to activate a version."""

from django import forms


class ReasonForm(forms.Form):
    """The reason for an activation."""

    reason = forms.CharField(max_length=500, help_text="Kept in the history of the classifier.")
