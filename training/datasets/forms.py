"""The form to upload a dataset."""

from django import forms

from clfsite.core.web.forms import UploadForm
from training.runs.forms import NAME_HINT


class DatasetForm(UploadForm):
    """The upload of a table to train on."""

    name = forms.CharField(
        max_length=100, help_text=f"{NAME_HINT} An existing name gets the next version number."
    )
    target = forms.CharField(
        max_length=255,
        strip=False,
        label="Target column",
        help_text="The column to predict, spelled as in the header. All other columns can be inputs.",
    )
    categories = forms.CharField(
        required=False,
        strip=False,
        max_length=100_000,
        label="Code columns",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text="Columns that hold codes, one name per line. Their values are kept as text, including "
        "leading zeros.",
    )
    field_order = ["name", "target", "file", "categories"]

    def clean_categories(self) -> list[str]:
        return [name for name in self.cleaned_data["categories"].splitlines() if name.strip()]
