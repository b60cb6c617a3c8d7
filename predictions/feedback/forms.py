"""Forms for true labels."""

from collections.abc import Sequence
from typing import Any

from django import forms

from clfsite.core.web.forms import UploadForm


class FeedbackForm(forms.Form):
    """What one prediction should have answered; `replace` where the page showed another truth."""

    label = forms.ChoiceField(label="What it should have been")
    replace = forms.BooleanField(required=False, widget=forms.HiddenInput())

    def __init__(self, classes: Sequence[str], data: Any = None, known: str | None = None) -> None:
        super().__init__(data, initial={"label": known, "replace": known is not None})
        choices = [] if known else [("", "Choose")]
        self.fields["label"].choices = [*choices, *((each, each) for each in classes)]  # type: ignore[attr-defined]


class FeedbackUploadForm(UploadForm):
    """A table of ids and true labels."""

    replace = forms.BooleanField(
        required=False,
        label="Correct labels given before",
        help_text="Without it a row with another label than before is refused.",
    )
