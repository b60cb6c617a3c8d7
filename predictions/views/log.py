"""The log of predictions: find one among many, and read all of it."""

from typing import Any

from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from clfsite.staff import StaffRequest, staff
from predictions import charts
from predictions.forms import FeedbackForm, LogForm
from predictions.models import Feedback, Prediction
from training.ml.contract import Contract

PER_PAGE = 50


def listed(predictions: QuerySet[Prediction]) -> QuerySet[Prediction]:
    """With what a row of a list shows, and nothing more: the versions' columns are large."""
    return predictions.select_related("version__classifier").only(
        *("id", "created_at", "label", "probability", "source", "caller", "warnings"),
        *("version__number", "version__classifier__name"),
    )


@staff()
@require_safe
def prediction_list(request: StaffRequest) -> HttpResponse:
    """The log, newest first, in pages that begin after the last id of the page before: no COUNT, no OFFSET."""
    form = LogForm(request.GET)
    is_valid = form.is_valid()
    if "before" in form.errors:
        raise Http404
    rows = list(listed(_found(form.cleaned_data))[: PER_PAGE + 1]) if is_valid else []
    page = rows[:PER_PAGE]
    context = {
        "form": form,
        "page": page,
        "older": page[-1].pk if len(rows) > PER_PAGE else None,
        "is_filtered": any(value for name, value in form.cleaned_data.items() if name != "before"),
    }
    return render(request, "predictions/prediction_list.html", context)


def _found(wanted: dict[str, Any]) -> QuerySet[Prediction]:
    predictions = Prediction.objects.order_by("-id")
    if wanted["classifier"]:
        predictions = predictions.filter(version__classifier=wanted["classifier"])
    for name in ("label", "source", "caller", "batch"):
        if wanted[name]:
            predictions = predictions.filter(**{name: wanted[name]})
    if wanted["before"]:
        predictions = predictions.filter(id__lt=wanted["before"])
    return _judged(predictions, wanted["feedback"])


def _judged(predictions: QuerySet[Prediction], wanted: str) -> QuerySet[Prediction]:
    """Those with, without or against feedback; an inner join lets a few be found without reading the log."""
    if wanted == "without":
        return predictions.exclude(Exists(Feedback.objects.in_force().filter(prediction=OuterRef("pk"))))
    if not wanted:
        return predictions
    in_force = Q(feedback__superseded_at=None)
    known = predictions.alias(truth=FilteredRelation("feedback", condition=in_force)).exclude(truth=None)
    return known.exclude(truth__label=F("label")) if wanted == "wrong" else known


@staff()
@require_safe
def prediction_detail(request: StaffRequest, pk: str) -> HttpResponse:
    """One answer with its input against what training saw."""
    prediction = get_object_or_404(Prediction.objects.select_related("version__classifier", "batch"), pk=pk)
    contract = prediction.version.contract
    told = list(prediction.feedback.all())
    truth = next((each for each in told if each.superseded_at is None), None)
    context = {
        "prediction": prediction,
        "contract": contract,
        "inputs": _inputs(prediction, contract),
        "told": told,
        "truth": truth,
        "form": FeedbackForm(contract.classes, known=truth.label if truth else None),
        "chart": charts.probabilities(prediction.label, prediction.probabilities),
    }
    return render(request, "predictions/prediction_detail.html", context)


def _inputs(prediction: Prediction, contract: Contract) -> list[dict[str, Any]]:
    """Each feature with its value and what was remarked on it."""
    remarks = {warning["feature"]: warning["message"] for warning in prediction.warnings}
    return [
        {
            "feature": feature,
            "value": prediction.features.get(feature.name),
            "remark": remarks.get(feature.name, ""),
        }
        for feature in contract.features
    ]
