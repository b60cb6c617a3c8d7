"""Pages of feedback: one label, a file of labels, and the accuracy of each version."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from clfsite.core.errors import ProblemError
from clfsite.core.web.charts import Chart
from clfsite.core.web.lists import sorted_by
from clfsite.core.web.staff import StaffRequest, staff
from predictions.feedback.files import import_feedback
from predictions.feedback.forms import FeedbackForm, FeedbackUploadForm
from predictions.feedback.service import Change, give_feedback
from predictions.models import Feedback, Prediction
from predictions.monitoring import quality
from training.models import Version
from training.versions import charts

PER_PAGE = 25
# most names in a message
SHOWN_COLUMNS = 5
SORTS = {
    "version": ["number"],
    "judged": ["judged"],
    "right": ["correct"],
    "live": ["live"],
    "held_out": ["expected"],
}
GIVEN = {
    Change.CREATED: "The true label was saved.",
    Change.UNCHANGED: "This label was already saved; nothing was changed.",
    Change.CORRECTED: "The true label was changed; the earlier one is kept in the history.",
}


@staff(needs="predictions.add_feedback")
@require_POST
def prediction_feedback(request: StaffRequest, pk: str) -> HttpResponse:
    """Save or correct the true label of one prediction."""
    prediction = get_object_or_404(Prediction.objects.select_related("version"), pk=pk)
    form = FeedbackForm(prediction.version.contract.classes, request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was stored: choose the true label from the list.")
        return redirect("predictions:prediction-detail", prediction.pk)
    try:
        change = give_feedback(
            prediction_id=prediction.pk,
            label=form.cleaned_data["label"],
            replace=form.cleaned_data["replace"],
            actor=request.user.get_username(),
            source=Feedback.Source.FORM,
        )
    except ProblemError as error:
        messages.error(request, f"Nothing was stored: {error}.")
    else:
        messages.success(request, GIVEN[change])
    return redirect("predictions:prediction-detail", prediction.pk)


@staff(to_post="predictions.add_feedback")
@require_http_methods(["GET", "HEAD", "POST"])
def feedback_list(request: StaffRequest) -> HttpResponse:
    """The accuracy of all versions with feedback, and the form for a file of labels."""
    form = FeedbackUploadForm(request)
    if form.is_valid() and _import(request, form):
        return redirect("predictions:feedback-list")
    judged = (
        quality.judged(Version.objects.all())
        .select_related("classifier")
        .defer(*Version.bulky("contract_data", "held_out"))
    )
    sort, judged = sorted_by(judged, request, SORTS, first="-version", within="classifier__name")
    page = Paginator(judged, PER_PAGE).get_page(request.GET.get("page"))
    qualities = quality.of_versions(page.object_list)
    lately = quality.lately(quality.trained(row.version for row in qualities), timezone.now())
    chosen = next((row for row in qualities if str(row.version.pk) == request.GET.get("version")), None)
    chosen = chosen or next(iter(qualities), None)
    context = {
        "form": form,
        "page": page,
        "sort": sort,
        "qualities": qualities,
        "dropped": [row for row in qualities if lately[row.version.pk].has_dropped],
        "chosen": chosen,
        "chart": _confusion(chosen) if chosen else None,
    }
    return render(request, "predictions/feedback/feedback_list.html", context)


def _import(request: StaffRequest, form: FeedbackUploadForm) -> bool:
    """Whether the file was stored; otherwise the form has errors."""
    try:
        stored = import_feedback(
            source=form.cleaned_data["file"],
            replace=form.cleaned_data["replace"],
            actor=request.user.get_username(),
            via=Feedback.Source.CSV,
        )
    except ProblemError as error:
        form.refuse(error)
        return False
    changes = stored.changes
    counted = (
        f"{changes[Change.CREATED]:,} new",
        f"{changes[Change.CORRECTED]:,} corrected",
        f"{changes[Change.UNCHANGED]:,} already saved",
        *([f"{stored.without_label:,} rows without a true label"] if stored.without_label else []),
    )
    messages.success(request, f"True labels: {', '.join(counted)}.{_ignored(stored.ignored_columns)}")
    return True


def _ignored(columns: list[str]) -> str:
    """A sentence that names the columns that were not used, if there are any."""
    if not columns:
        return ""
    more = f" and {len(columns) - SHOWN_COLUMNS:,} more" if len(columns) > SHOWN_COLUMNS else ""
    return f" Columns not used: {', '.join(name[:60] for name in columns[:SHOWN_COLUMNS])}{more}."


def _confusion(chosen: quality.Quality) -> Chart:
    note = "Predictions with feedback, by actual and predicted class, with the share of the actual class."
    title = f"Confusion matrix of {chosen.version}"
    return {**charts.confusion(chosen.confusion, chosen.classes, title=title), "note": note}
