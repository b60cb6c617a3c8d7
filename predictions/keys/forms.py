"""The form of a new API key."""

from datetime import timedelta

from django import forms

from clfsite.core.web.permissions import SCOPES
from predictions.keys.service import MAX_RATE


class KeyForm(forms.Form):
    """A key for a program that calls; `life` is how long it is to work."""

    name = forms.CharField(max_length=100, help_text="Who or what calls with it: it stands in the log.")
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        choices=[(scope, f"{scope}: {what}") for scope, what in SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "A key that may do nothing opens nothing; choose at least one."},
    )
    expires = forms.TypedChoiceField(
        label="Works for",
        required=False,
        coerce=int,
        empty_value=None,
        initial=90,
        choices=[
            (7, "7 days"),
            (30, "30 days"),
            (90, "90 days"),
            (365, "a year"),
            ("", "as long as it is not revoked"),
        ],
        help_text="A key that somebody forgets ends by itself.",
    )
    rate = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_RATE,
        label="Calls a minute",
        help_text="0 for no limit. Empty: what the site allows (CLFSITE_KEY_RATE).",
    )

    @property
    def life(self) -> timedelta | None:
        days = self.cleaned_data["expires"]
        return timedelta(days=days) if days else None
