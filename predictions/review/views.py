"""Pages of review: the queue of unsure predictions, and a person's answer to one."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from clfsite.core.errors import ProblemError
from clfsite.core.web.staff import StaffRequest, staff
from predictions.feedback.forms import FeedbackForm
from predictions.feedback.service import give_feedback
from predictions.models import Feedback, Prediction
from predictions.review.forms import QueueForm
from predictions.review.service import queue, reviewed
from training.models import Classifier


@staff()
@require_safe
def review_list(request: StaffRequest) -> HttpResponse:
    """The unsure predictions of a classifier without a true label, newest first."""
    known = Classifier.objects.filter(review=True, archived_at=None)
    form = QueueForm(request.GET, known)
    if not form.is_valid():
        raise Http404
    classifier = form.cleaned_data["classifier"] or known.first()
    context: dict[str, Any] = {"classifiers": known, "classifier": classifier}
    if classifier:
        waiting = queue(classifier, before=form.cleaned_data["before"])
        given, agreed = reviewed(classifier, timezone.now())
        context |= {
            "queue": waiting,
            "rows": [
                (row, FeedbackForm(row.classes, auto_id=f"{row.prediction.pk}-%s")) for row in waiting.rows
            ],
            "is_first": form.cleaned_data["before"] is None,
            "given": given,
            "agreed": agreed,
        }
    return render(request, "predictions/review/review_list.html", context)


@staff(needs="predictions.add_feedback")
@require_POST
def review_answer(request: StaffRequest, pk: str) -> HttpResponse:
    """Store a person's answer as the true label of a prediction."""
    prediction = get_object_or_404(Prediction.objects.select_related("version__classifier"), pk=pk)
    form = FeedbackForm(prediction.version.contract.classes, request.POST)
    if form.is_valid():
        try:
            give_feedback(
                prediction_id=prediction.pk,
                label=form.cleaned_data["label"],
                actor=request.user.get_username(),
                source=Feedback.Source.REVIEW,
            )
        except ProblemError as error:
            messages.error(request, f"Nothing was stored: {error}.")
        else:
            messages.success(request, "Your answer was saved.")
    else:
        messages.error(request, "Nothing was stored: choose the label from the list.")
    address = reverse("predictions:review-list")
    return redirect(f"{address}?classifier={prediction.version.classifier.name}")
