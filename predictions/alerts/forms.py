"""Forms of alerts and receivers."""

from typing import Any

from django import forms

from predictions.alerts.models import Receiver
from predictions.alerts.rules import RULES
from predictions.alerts.service import LONGEST_NOTE
from predictions.log.forms import MomentField
from training.models import Classifier


class NoteForm(forms.Form):
    """Why an alert is acknowledged or closed."""

    note = forms.CharField(required=False, max_length=LONGEST_NOTE, label="Note")


class ReceiverForm(forms.Form):
    """A new receiver, or a changed one."""

    name = forms.CharField(max_length=100)
    kind = forms.ChoiceField(choices=Receiver.Kind.choices)
    target = forms.CharField(
        max_length=1_000, label="Address", help_text="Mail addresses, separated by commas, or a URL."
    )
    events = forms.MultipleChoiceField(
        choices=Receiver.Event.choices,
        initial=[Receiver.Event.ALERT],
        widget=forms.CheckboxSelectMultiple,
        label="Messages about",
        error_messages={"required": "Choose at least one."},
    )
    classifier = forms.ModelChoiceField(
        Classifier.objects.filter(archived_at=None), required=False, empty_label="All"
    )


class SilenceForm(forms.Form):
    """A time without messages about alerts."""

    until = MomentField("Until (UTC)")
    rule = forms.ChoiceField(required=False)
    reason = forms.CharField(max_length=LONGEST_NOTE)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["until"].required = True
        self.fields["rule"].choices = [("", "All"), *((name, rule.title) for name, rule in RULES.items())]  # type: ignore[attr-defined]


class LimitForm(forms.Form):
    """The limit of a rule in percent; empty for the default."""

    rule = forms.ChoiceField(choices=[(name, rule.title) for name, rule in RULES.items()])
    is_on = forms.BooleanField(required=False)
    value = forms.FloatField(required=False, min_value=0, max_value=100)
