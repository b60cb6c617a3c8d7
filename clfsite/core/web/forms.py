"""Forms that several features share."""

from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.template.defaultfilters import capfirst, filesizeformat

from clfsite.core.errors import Refused
from clfsite.core.web.uploads import was_cut


class UploadForm(forms.Form):
    """A form with a CSV; `problems` are the faults found in it, by line and column."""

    file = forms.FileField(
        label="CSV file",
        allow_empty_file=True,
        max_length=255,
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,text/csv"}),
        error_messages={"required": "No file came with the form; choose a CSV file."},
    )

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(*(request.POST, request.FILES) if request.method == "POST" else ())
        self.problems: list[dict[str, Any]] = []
        if was_cut(request):
            limit = filesizeformat(settings.CLFSITE_UPLOAD_BYTES)
            self.fields["file"].error_messages["required"] = (
                f"The file is larger than the limit of {limit} (CLFSITE_UPLOAD_BYTES); "
                "upload a smaller one, or have the limit raised."
            )

    def clean_file(self) -> Any:
        count = len(self.files.getlist("file"))
        if count > 1:
            raise forms.ValidationError(f"{count} files came with the form; choose one file.")
        return self.cleaned_data["file"]

    def refuse(self, error: Refused) -> None:
        """Show what a service said about the file."""
        self.problems = error.errors
        self.add_error("file", capfirst(str(error)))
