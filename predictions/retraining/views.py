"""The page that makes a dataset of judged predictions, and says what may start a training on it."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import capfirst
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from clfsite.core.errors import ProblemError
from clfsite.core.web.staff import StaffRequest, staff
from predictions.log.forms import MomentField
from predictions.retraining.models import Retraining
from predictions.retraining.service import dataset_from_log
from training.models import Classifier

IMPORT = "training.add_dataset"
TRAIN = "training.add_run"


class LogDatasetForm(forms.Form):
    """The span of the predictions, and whether the old table stays."""

    since = MomentField("From (UTC)")
    until = MomentField("Until (UTC)")
    with_table = forms.BooleanField(required=False, initial=True, label="With the rows of the old table")

    def __init__(self, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self.fields["since"].required = True


class RetrainingForm(forms.ModelForm):  # type: ignore[type-arg]
    """What may start a training."""

    class Meta:
        model = Retraining
        fields = ["every_days", "on_alert", "days", "with_table"]
        labels = {
            "every_days": "Every so many days",
            "on_alert": "When an alert opens",
            "days": "Days of predictions",
            "with_table": "With the rows of the old table",
        }
        help_texts = {"every_days": "Empty: no schedule.", "on_alert": "", "with_table": ""}


@staff(needs=TRAIN)
@require_http_methods(["GET", "HEAD", "POST"])
def retraining(request: StaffRequest, pk: str) -> HttpResponse:
    """Both forms, and what the last training on judged predictions was."""
    classifier = get_object_or_404(Classifier, pk=pk)
    setting = Retraining.objects.filter(classifier=classifier).first() or Retraining(classifier=classifier)
    form = RetrainingForm(request.POST or None, instance=setting)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(
            request, "Saved. A version that is trained this way waits until a person activates it."
        )
        return redirect("predictions:retraining", classifier.pk)
    return _page(request, classifier, setting, form, LogDatasetForm())


@staff(needs=IMPORT)
@require_POST
def log_dataset(request: StaffRequest, pk: str) -> HttpResponse:
    """Make the dataset."""
    classifier = get_object_or_404(Classifier, pk=pk)
    form = LogDatasetForm(request.POST)
    if form.is_valid():
        try:
            dataset = dataset_from_log(
                classifier=classifier,
                since=form.cleaned_data["since"],
                until=form.cleaned_data["until"] or timezone.now(),
                with_table=form.cleaned_data["with_table"],
                user=request.user,
            )
        except ProblemError as error:
            form.add_error(None, capfirst(str(error)))
        else:
            return redirect("training:dataset-detail", dataset.pk)
    setting = Retraining.objects.filter(classifier=classifier).first() or Retraining(classifier=classifier)
    return _page(request, classifier, setting, RetrainingForm(instance=setting), form)


def _page(
    request: StaffRequest,
    classifier: Classifier,
    setting: Retraining,
    form: forms.BaseForm,
    log_form: LogDatasetForm,
) -> HttpResponse:
    context = {"classifier": classifier, "setting": setting, "form": form, "log_form": log_form}
    return render(request, "predictions/retraining/retraining.html", context)
