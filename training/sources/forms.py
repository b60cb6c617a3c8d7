"""The form for a dataset from a database."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.template.defaultfilters import capfirst

from clfsite.core.errors import ProblemError
from training.datasets.service import LONGEST_TARGET
from training.names import LONGEST_NAME
from training.runs.forms import NAME_HINT
from training.sources.service import LONGEST_QUERY, source_names


class QueryForm(forms.Form):
    """One query, and the dataset that it makes."""

    source = forms.ChoiceField(label="Database")
    sql = forms.CharField(
        label="Query",
        max_length=LONGEST_QUERY,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "font-monospace"}),
        help_text="One SELECT statement. Everyone who sees datasets sees it.",
    )
    name = forms.CharField(
        max_length=LONGEST_NAME, help_text=f"{NAME_HINT} An existing name gets the next version number."
    )
    target = forms.CharField(
        label="Target column",
        max_length=LONGEST_TARGET,
        strip=False,
        help_text="The column to predict, as the query names it.",
    )
    categories = forms.CharField(
        required=False,
        strip=False,
        max_length=LONGEST_QUERY,
        label="Code columns",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text="Columns that hold codes, such as postcodes. One name per line. Their values are categories, as written.",
    )

    def __init__(self, data: QueryDict | None) -> None:
        super().__init__(data)
        self.problems: list[dict[str, Any]] = []
        self.fields["source"].choices = [(name, name) for name in source_names()]  # type: ignore[attr-defined]

    def clean_categories(self) -> list[str]:
        return [name for name in self.cleaned_data["categories"].splitlines() if name.strip()]

    def refuse(self, error: ProblemError) -> None:
        """Show why the query was refused at the field to correct, and the problems found in its rows."""
        self.problems = error.errors
        self.add_error(getattr(error, "field", None), capfirst(str(error)))
