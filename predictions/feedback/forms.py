"""Forms for true labels."""

from collections.abc import Sequence
from typing import Any

from django import forms

from clfsite.core.web.forms import TextChoiceField, UploadForm, carry


class FeedbackForm(forms.Form):
    """The true label of one prediction; `replace` if the page showed another label."""

    label = TextChoiceField(label="True label")
    replace = forms.BooleanField(required=False, widget=forms.HiddenInput())

    def __init__(
        self,
        classes: Sequence[str],
        data: Any = None,
        known: str | None = None,
        auto_id: str = "id_%s",
    ) -> None:
        initial = {"label": known and carry(known), "replace": known is not None}
        super().__init__(data, initial=initial, auto_id=auto_id)
        first = [] if known else [("", "Choose")]
        self.fields["label"].offer(classes, first)  # type: ignore[attr-defined]


class FeedbackUploadForm(UploadForm):
    """A table of ids or references and true labels."""

    replace = forms.BooleanField(
        required=False,
        label="Replace earlier labels",
        help_text="If not selected, a row whose label differs from an earlier one is refused.",
    )
