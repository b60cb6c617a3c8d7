"""The form for the columns of a table before training."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField
from django.http import QueryDict

from clfsite.core.web.forms import TextChoiceField, carry
from training.ml.tables.contract import Feature
from training.ml.tables.corrections import Choice, Corrections, Spellings
from training.ml.tables.date_parts import recognise
from training.ml.tables.labels import distinct
from training.models import Dataset

# most columns with a select, because more make the page slow; lines of text are used for the others
MAX_SELECTS = 200
TITLES = {
    Choice.NUMBER: "A number",
    Choice.CATEGORY: "A category",
    Choice.LEAVE_OUT: "Leave out",
    Choice.TAKE_IN: "Take in",
    Choice.MERGE: "A category, spellings merged",
    Choice.TEXT: "Its words",
}
OFFERED_TO_INPUTS = (Choice.NUMBER, Choice.CATEGORY, Choice.MERGE, Choice.TEXT, Choice.LEAVE_OUT)
OFFERED_TO_LEFT_OUT = (Choice.TAKE_IN, Choice.TEXT, Choice.NUMBER, Choice.CATEGORY, Choice.MERGE)
# fields that name columns or classes of one table, beside those of the columns
_OF_COLUMNS = frozenset(["positive", "labels", "group", "time", "date_parts", "protected"])


@dataclass(frozen=True)
class Column:
    """One line of the form: a column with its inferred feature, or the reason why it is left out."""

    name: str
    feature: Feature | None
    reason: str
    field: BoundField


class ColumnsForm(forms.Form):
    """The contract of a table to check and correct; its results are `corrections` and `positive`.

    `group` is the column of rows that belong together, `time` the one that orders them. `positive` exists for two classes, possibly in several spellings, and `labels` if there are similar
    labels. `problems` are cells that do not fit a choice, by line and column.
    """

    positive = TextChoiceField(
        required=False,
        label="Positive class",
        help_text="Precision, recall, F1, the aim and the threshold refer to this class.",
    )
    labels = forms.ChoiceField(
        label="Similar labels",
        choices=[
            ("", "Choose"),
            (Spellings.MERGE.value, "One class: merge them under the most frequent spelling"),
            (Spellings.KEEP.value, "Keep as different classes"),
        ],
    )
    group = TextChoiceField(
        required=False,
        label="Rows that belong together",
        help_text="A column such as a customer number. Rows with the same value are either all used for training or all "
        "used for evaluation. The column is not an input, unless you choose so below.",
    )
    time = TextChoiceField(
        required=False,
        label="Order in time",
        help_text="A column of dates or numbers: the newest fifth of the rows is held out, as in use, where a model always "
        "meets later rows. Not together with rows that belong together.",
    )
    date_parts = forms.MultipleChoiceField(
        required=False,
        label="Parts of one date",
        widget=forms.CheckboxSelectMultiple,
        help_text="The weekday and the days since the latest date become inputs, too.",
    )
    protected = forms.MultipleChoiceField(
        required=False,
        label="Protected inputs",
        help_text="Monitoring compares the groups of these inputs: labels, precision and recall side by side.",
    )
    columns_of = forms.CharField(required=False, widget=forms.HiddenInput)
    strict = forms.BooleanField(
        required=False,
        label="Strict",
        help_text="Refuse values outside the training data. If not selected, the version answers with a "
        "warning.",
    )
    others = forms.CharField(
        required=False,
        strip=False,
        max_length=1_000_000,
        label="Further columns",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "font-monospace"}),
        help_text="One per line, followed by a colon and number, category, leave_out or take_in: <code>zip: "
        "category</code>",
    )

    def __init__(
        self,
        data: QueryDict | None,
        *,
        dataset: Dataset,
        start: Corrections,
        positive: str | None,
        group: str | None = None,
        time: str | None = None,
    ) -> None:
        self.dataset, self.contract = dataset, dataset.contract
        self.features = {feature.name: feature for feature in self.contract.features}
        self.corrections, self.problems = start, list[dict[str, Any]]()
        self.lost = False
        if data is not None and data.get("columns_of", str(dataset.pk)) != str(dataset.pk):
            data, self.lost = _without_columns(data, dataset)
        names = self._names()
        self.shown, rest = names[:MAX_SELECTS], names[MAX_SELECTS:]
        initial = {
            "columns_of": dataset.pk,
            "positive": carry(self.contract.label_of(positive or "") or self.contract.positive or ""),
            "labels": start.labels,
            "group": carry(group or ""),
            "time": carry(time or ""),
            "date_parts": [json.dumps(list(columns)) for columns in start.date_parts],
            "protected": [json.dumps(name) for name in start.protected],
            "strict": start.strict,
            "others": "\n".join(f"{name}: {start.columns[name]}" for name in rest if name in start.columns),
            **{f"column-{place}": start.columns.get(name, "") for place, name in enumerate(self.shown)},
        }
        super().__init__(data, initial=initial)
        for place, name in enumerate(self.shown):
            self.fields[f"column-{place}"] = self._field(name)
        if not rest:
            del self.fields["others"]
        for field, chosen, none in (
            ("group", group, "None: the rows are independent"),
            ("time", time, "None: rows are held out at random"),
        ):
            offered = dict.fromkeys([*self.shown, *([chosen] if chosen in names else [])])
            self.fields[field].offer(offered, [("", none)])  # type: ignore[attr-defined]
        parts = dict.fromkeys([*recognise(self.contract), *start.date_parts])
        self.fields["date_parts"].choices = [  # type: ignore[attr-defined]
            (json.dumps(list(columns)), ", ".join(columns)) for columns in parts
        ]
        if not parts:
            del self.fields["date_parts"]
        self.fields["protected"].choices = [  # type: ignore[attr-defined]
            (json.dumps(name), name) for name in dict.fromkeys([*self.contract.names, *start.protected])
        ]
        self._ask_about_labels()

    def _ask_about_labels(self) -> None:
        classes = self.contract.classes
        count = distinct(classes)
        if count == len(classes):
            del self.fields["labels"]
        if count > 2:  # noqa: PLR2004
            del self.fields["positive"]
            return
        guess = [] if self.contract.positive else [("", "Default: yes, or the rarer class")]
        self.fields["positive"].offer(classes, guess)  # type: ignore[attr-defined]

    @property
    def positive_class(self) -> str | None:
        """The chosen positive class; None if there are more than two classes."""
        return self.cleaned_data.get("positive") or None if self._are_two_classes() else None

    @property
    def group_column(self) -> str | None:
        """The chosen column of groups."""
        return self.cleaned_data.get("group") or None

    @property
    def time_column(self) -> str | None:
        """The chosen column of time."""
        return self.cleaned_data.get("time") or None

    def _are_two_classes(self) -> bool:
        return self.contract.positive is not None or self.corrections.labels is Spellings.MERGE

    def _names(self) -> list[str]:
        """All columns except the target; in a wide table, the ones that are left out are first, then those with a warning."""
        names = [*self.contract.names, *self.contract.left_out]
        if len(names) <= MAX_SELECTS:
            return names
        warned = {warning["column"] for warning in self.dataset.warnings}
        return sorted(names, key=lambda name: (name not in self.contract.left_out, name not in warned))

    def _field(self, name: str) -> forms.ChoiceField:
        feature = self.features.get(name)
        offered = OFFERED_TO_INPUTS if feature else OFFERED_TO_LEFT_OUT
        inferred = f"As inferred: {feature.kind if feature else 'left out'}"
        return forms.ChoiceField(
            required=False,
            choices=[("", inferred), *((choice.value, TITLES[choice]) for choice in offered)],
            widget=forms.Select(
                attrs={"class": "form-select form-select-sm", "aria-label": f"Use {name} as"}
            ),
        )

    def columns(self) -> Iterator[Column]:
        """The lines of the form."""
        for place, name in enumerate(self.shown):
            reason = self.contract.left_out.get(name, "")
            yield Column(name, self.features.get(name), reason, self[f"column-{place}"])

    @property
    def is_open(self) -> bool:
        """Whether the section is open because it has choices."""
        return bool(self.errors) or any(
            self[name].value() for name in self.fields if name not in {"columns_of", "strict", *_OF_COLUMNS}
        )

    def clean_others(self) -> dict[str, Choice]:
        lines = [line for line in self.cleaned_data["others"].splitlines() if line.strip()]
        chosen = {}
        for line in lines:
            name, colon, choice = line.rpartition(":")
            try:
                chosen[name] = Choice(choice.strip().replace(" ", "_") if colon else "")
            except ValueError as error:
                raise forms.ValidationError(
                    f'"{line[:60]}" is not a column and a choice; write it as zip: category, with one of '
                    f"{', '.join(Choice)}."
                ) from error
        return chosen

    def clean(self) -> None:
        """Build the corrections."""
        if self.lost:
            raise forms.ValidationError(
                f"The column choices were for another table. Check the columns of {self.dataset}, then start "
                "the run."
            )
        selected = {
            name: Choice(self.cleaned_data[f"column-{place}"])
            for place, name in enumerate(self.shown)
            if self.cleaned_data.get(f"column-{place}")
        }
        self.corrections = Corrections(
            {**selected, **self.cleaned_data.get("others", {})},
            self.cleaned_data["strict"],
            Spellings(self.cleaned_data["labels"]) if self.cleaned_data.get("labels") else None,
            tuple(tuple(json.loads(columns)) for columns in self.cleaned_data.get("date_parts", ())),
            tuple(map(json.loads, self.cleaned_data.get("protected", ()))),
        )


def _without_columns(data: QueryDict, dataset: Dataset) -> tuple[QueryDict, bool]:
    """The data without choices for the columns of another dataset, and whether there were any."""
    kept, had_choices = data.copy(), False
    kept["columns_of"] = str(dataset.pk)
    guess = carry(dataset.contract.positive or "")
    for name in data:
        if name.startswith("column-") or name in {"others", *_OF_COLUMNS}:
            had_choices |= data[name] not in {"", guess if name == "positive" else ""}
            del kept[name]
    return kept, had_choices
