"""The form to upload a dataset."""

from django import forms

from clfsite.core.web.forms import UploadForm
from training.runs.forms import NAME_HINT


class DatasetForm(UploadForm):
    """A table to learn from."""

    name = forms.CharField(max_length=100, help_text=f"{NAME_HINT} A name that exists gets the next number.")
    target = forms.CharField(
        max_length=255,
        strip=False,
        label="Target column",
        help_text="The column to predict, as the header writes it. Every other column may become an input.",
    )
    categories = forms.CharField(
        required=False,
        strip=False,
        max_length=100_000,
        label="Columns of codes",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text="If there are any, one for each line: they are read as they are written, leading zeros and all.",
    )
    field_order = ["name", "target", "file", "categories"]

    def clean_categories(self) -> list[str]:
        return [name for name in self.cleaned_data["categories"].splitlines() if name.strip()]
