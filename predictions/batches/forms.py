"""Forms to upload a file and to start scoring it."""

from django import forms
from django.http import HttpRequest

from clfsite.core.web.forms import UploadForm
from predictions.batches.models import Batch
from predictions.serving.live_models import Live

FITTING = "The one that the columns fit"


class BatchForm(UploadForm):
    """A table to score, and the classifier."""

    model = forms.ChoiceField(label="Classifier", required=False)
    field_order = ["model", "file"]

    def __init__(self, request: HttpRequest, lives: list[Live]) -> None:
        super().__init__(request)
        names = [live.classifier for live in lives]
        self.fields["model"].choices = [("", FITTING), *((name, name) for name in names)]  # type: ignore[attr-defined]
        # a link of a classifier's page names it
        asked = request.GET.get("model", "")
        self.fields["model"].initial = asked if asked in names or len(names) > 1 else next(iter(names), "")
        if len(names) == 1:
            self.fields["model"].widget = forms.HiddenInput()


class StartForm(forms.Form):
    """The action for a checked file."""

    mode = forms.ChoiceField(choices=Batch.Mode.choices)
