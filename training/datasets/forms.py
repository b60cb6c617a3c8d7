"""The forms to upload a file and to save it as a dataset."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.template.defaultfilters import capfirst

from clfsite.core.errors import ProblemError
from clfsite.core.web.forms import TextChoiceField, UploadForm, read_text
from training.datasets.uploads import Preview
from training.ml.files.options import Options
from training.ml.files.reading import TableError
from training.names import check_name
from training.runs.forms import NAME_HINT

LONGEST_LIST = 100_000  # characters


def _lines(label: str, help_text: str, *, strip: bool = True) -> forms.CharField:
    """A field of several texts, one on each line."""
    return forms.CharField(
        required=False,
        strip=strip,
        max_length=LONGEST_LIST,
        label=label,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text=help_text,
    )


class FileForm(UploadForm):
    """The upload of a file; everything else is asked for when it has been read."""


class OptionsForm(forms.Form):
    """How a file is written, where it was not recognised."""

    delimiter = forms.ChoiceField(
        required=False,
        choices=[
            ("", "As recognised"),
            ("comma", "Comma"),
            ("semicolon", "Semicolon"),
            ("tab", "Tab"),
            ("pipe", "Vertical bar"),
            ("blank", "Blanks"),
        ],
    )
    encoding = forms.CharField(
        required=False, max_length=100, help_text="Such as utf-8, cp1252 or utf-16. Empty: as recognised."
    )
    decimal = forms.ChoiceField(
        required=False,
        label="Decimal mark",
        choices=[("", "As recognised"), ("point", "Point: 1234.5"), ("comma", "Comma: 1234,5")],
    )
    sheet = forms.CharField(
        required=False,
        max_length=255,
        help_text="Sheet of a workbook, by name or number. Empty: the first sheet with values.",
    )
    missing = _lines(
        "Texts for a missing value", "One per line, such as -999. Empty cells are always missing."
    )
    keep = _lines("Texts that are values", "One per line, such as NA for Namibia.")
    dates = _lines("Columns of dates", "One column and its format per line, such as joined=d/m/y.")

    def clean(self) -> None:
        """Build the options."""
        try:
            self.options = Options.of(
                missing=self._lines("missing"),
                keep=self._lines("keep"),
                dates=self._lines("dates"),
                **{
                    name: self.cleaned_data.get(name)
                    for name in ("delimiter", "encoding", "decimal", "sheet")
                },
            )
        except TableError as error:
            raise forms.ValidationError(f"{capfirst(str(error))}.") from error

    def _lines(self, name: str) -> list[str]:
        return [line for line in self.cleaned_data.get(name, "").splitlines() if line.strip()]

    @property
    def is_used(self) -> bool:
        """Whether any option is set or wrong."""
        return bool(self.errors) or any(self[name].value() for name in self.fields)


class DatasetForm(forms.Form):
    """The fields of a dataset that is made of an upload."""

    name = forms.CharField(
        max_length=100, help_text=f"{NAME_HINT} An existing name gets the next version number."
    )
    target = TextChoiceField(
        label="Target column", help_text="The column to predict. All other columns can be inputs."
    )
    positive = TextChoiceField(
        required=False,
        label="Positive class",
        help_text="The class that precision, recall and the threshold refer to, such as yes or fraud.",
    )
    categories = _lines(
        "Code columns",
        "Columns that hold codes, such as postcodes. One name per line. Their values are categories, as written.",
        strip=False,
    )

    def __init__(self, preview: Preview, data: QueryDict | None, *, initial: Mapping[str, str]) -> None:
        """Show a form for the columns of a preview; `initial` are the values of fields by name."""
        super().__init__(data, initial={"target": preview.target, **initial})
        self.problems: list[dict[str, Any]] = []
        self.columns = [column.name for column in preview.columns]
        self.fields["target"].offer(self.columns)  # type: ignore[attr-defined]
        chosen = read_text(self["target"].value() or "", self.columns)
        labels = next((column.labels for column in preview.columns if column.name == chosen), [])
        guess = [("", "Default: yes, or the rarer class")]
        if len(labels) == 2:  # noqa: PLR2004
            self.fields["positive"].offer(labels, guess)  # type: ignore[attr-defined]
        else:
            del self.fields["positive"]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            check_name(name, "dataset")
        except ProblemError as error:
            raise forms.ValidationError(capfirst(str(error))) from error
        return name

    def clean_categories(self) -> list[str]:
        names = [name for name in self.cleaned_data["categories"].splitlines() if name.strip()]
        unknown = [name for name in names if name not in self.columns]
        if unknown:
            raise forms.ValidationError(
                f"No such column: {', '.join(unknown)}. The table has: {', '.join(self.columns)}."
            )
        return names

    def refuse(self, error: ProblemError) -> None:
        """Show the problems that a service found in the table."""
        self.problems = error.errors
        self.add_error(None, capfirst(str(error)))
