"""The form of a new API key."""

from datetime import timedelta

from django import forms

from clfsite.core.api.permissions import SCOPES
from predictions.keys.service import MAX_RATE


class KeyForm(forms.Form):
    """A key for a program; `life` is the time until it expires."""

    name = forms.CharField(
        max_length=100, help_text="The person or program that uses the key. The log shows this name."
    )
    scopes = forms.MultipleChoiceField(
        label="Scopes",
        choices=[(scope, f"{scope}: {what}") for scope, what in SCOPES.items()],
        initial=["predict"],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one scope."},
    )
    expires = forms.TypedChoiceField(
        label="Expires after",
        required=False,
        coerce=int,
        empty_value=None,
        initial=90,
        choices=[
            (7, "7 days"),
            (30, "30 days"),
            (90, "90 days"),
            (365, "a year"),
            ("", "no expiry"),
        ],
        help_text="A forgotten key then stops working without being revoked.",
    )
    rate = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_RATE,
        label="Calls a minute",
        help_text="0 for no limit. Empty: the site's limit (CLFSITE_KEY_RATE).",
    )

    @property
    def life(self) -> timedelta | None:
        days = self.cleaned_data["expires"]
        return timedelta(days=days) if days else None
