"""Forms that several features share."""

import json
from collections.abc import Collection, Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.template.defaultfilters import capfirst, filesizeformat

from clfsite.core.errors import ProblemError
from clfsite.core.requests.uploads import was_cut
from clfsite.core.web.sent_forms import kept_data


class TextChoiceField(forms.ChoiceField):
    """A choice among arbitrary texts, including line ends."""

    texts: Collection[str] = ()

    def offer(self, texts: Iterable[str], first: Iterable[tuple[str, str]] = ()) -> None:
        """Set the choices, after those that stand for no text."""
        self.texts = list(texts)
        self.choices = [*first, *((carry(text), text) for text in self.texts)]

    def to_python(self, value: Any) -> str:
        return carry(read_text(super().to_python(value), self.texts))

    def clean(self, value: Any) -> str:
        return read_text(super().clean(value), self.texts)


def carry(text: str) -> str:
    """A text as the value of an option or a hidden field.

    Browsers convert line ends in values to CR LF. So a text with line ends is sent as JSON, and so is a text
    that begins like JSON.
    """
    return json.dumps(text) if "\r" in text or "\n" in text or text.startswith('"') else text


def read_text(value: str, known: Collection[str]) -> str:
    """The original text of a value from `carry`, or of a text whose line ends a browser changed."""
    if value.startswith('"'):
        try:
            text = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return text if isinstance(text, str) and carry(text) == value else value
    if value in known:
        return value
    if "\r\n" in value:
        alike = [text for text in known if _as_browsers_send(text) == value]
        return alike[0] if len(alike) == 1 else value
    return value


def _as_browsers_send(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


class UploadForm(forms.Form):
    """A form with a file; `problems` are the problems found in it, by line and column."""

    file = forms.FileField(
        label="File",
        allow_empty_file=True,
        max_length=255,
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.gz,.xlsx,.xls,.ods,.parquet,text/csv"}),
        error_messages={"required": "No file was sent; choose a file."},
    )

    def __init__(self, request: HttpRequest) -> None:
        if request.method == "POST":
            super().__init__(request.POST, request.FILES)
        else:
            # no browser lets a page choose a file again
            kept = kept_data(request, again="choose the file")
            super().__init__(initial=kept and kept.dict())
        self.problems: list[dict[str, Any]] = []
        if was_cut(request):
            limit = filesizeformat(settings.CLFSITE_UPLOAD_BYTES)
            self.fields["file"].error_messages["required"] = (
                f"The file is larger than the limit of {limit} (CLFSITE_UPLOAD_BYTES); "
                "upload a smaller file, or ask the site's operator to raise the limit."
            )

    def clean_file(self) -> Any:
        count = len(self.files.getlist("file"))
        if count > 1:
            raise forms.ValidationError(f"{count} files came with the form; choose one file.")
        return self.cleaned_data["file"]

    def refuse(self, error: ProblemError) -> None:
        """Show the problems that a service found in the file."""
        self.problems = error.errors
        self.add_error("file", capfirst(str(error)))
