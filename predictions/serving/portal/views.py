"""The page to predict one record, and to try other values."""

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from clfsite.core.errors import NotFound, ProblemError, Unavailable
from clfsite.core.web.charts import CLASS_COLOURS
from clfsite.core.web.sent_forms import form_data, send_once
from clfsite.core.web.staff import StaffRequest, staff
from predictions.models import Prediction
from predictions.serving import predict as services
from predictions.serving.live_models import Live, live_models
from predictions.serving.portal import example_rows
from predictions.serving.portal.example_rows import ExampleRow
from predictions.serving.portal.forms import FeaturesForm
from training.ml.judge.sets import label_set
from training.models import Version

# most classes on the page; the most probable ones are shown
SHOWN_CLASSES = 12


@staff(needs="predictions.add_prediction")
@require_http_methods(["GET", "HEAD", "POST"])
def predict(request: StaffRequest) -> HttpResponse:
    """A form made from the contract. A prediction has its own address, so reloading it does not predict again."""
    shown = _shown(request.GET.get("prediction", ""))
    model = shown.version.classifier.name if shown else request.GET.get("model")
    try:
        live = _live(model)
    except NotFound as error:
        raise Http404 from error
    except Unavailable as error:
        return render(
            request, "predictions/serving/predict.html", {"problem": str(error), "lives": live_models.all()}
        )
    examples = _examples(live)
    asked = next((row.record for row in examples if row.name == request.GET.get("example")), None)
    form = FeaturesForm(live.contract, form_data(request) or None, shown.features if shown else asked)
    context: dict[str, Any] = {
        "form": form,
        "live": live,
        "lives": live_models.all(),
        "prediction": shown,
        "examples": examples,
        # the values that the form starts with are answered at once
        "is_fresh": shown is None and not form.is_bound,
    }
    if "try" in request.POST:
        context["what_if"] = _tried(live, form, None)
    elif request.method == "POST" and form.is_valid() and (address := _answer(request, live, form)):
        return redirect(address)
    if shown:
        context |= ranked(shown.label, shown.probabilities)
        least = shown.version.least_probabilities(live.set_level)
        context["labels"] = None if least is None else label_set(shown.probabilities, least)
    return render(request, "predictions/serving/predict.html", context)


@staff(needs="predictions.add_prediction")
@require_POST
def predict_what_if(request: StaffRequest) -> HttpResponse:
    """The fragment beside the form with the prediction for the current values; nothing is logged or counted."""
    try:
        live = live_models.get(request.GET.get("model"))
    except NotFound as error:
        raise Http404 from error
    form = FeaturesForm(live.contract, request.POST)
    context = {"live": live, **_tried(live, form, _shown(request.GET.get("prediction", "")))}
    return render(request, "predictions/serving/_what_if.html", context)


def _live(model: str | None) -> Live:
    """The active version, also if it was activated so recently that this process has not noticed yet."""
    try:
        return live_models.get(model)
    except Unavailable:
        live_models.look()
        return live_models.get(model)


def _examples(live: Live) -> list[ExampleRow]:
    """Rows to start the form with, from the held-out rows that the version keeps."""
    golden = Version.objects.values_list("golden", flat=True).get(pk=live.version_id)
    return example_rows.rows(live.contract, golden, [str(label) for label in live.loaded.pipeline.classes_])


def _tried(live: Live, form: FeaturesForm, before: Prediction | None) -> dict[str, Any]:
    """The prediction for a form's values with the change from the previous one, or their problems."""
    if form.is_valid():
        try:
            tried = services.explore(live=live, record=form.cleaned_data)
        except ProblemError as error:
            form.refuse(error)
        else:
            return {
                "tried": tried,
                **ranked(tried.label, tried.probabilities, before.probabilities if before else None),
            }
    problems = [
        ("" if name == "__all__" else name, message)
        for name, messages in form.errors.items()
        for message in messages
    ]
    return {"tried": None, "problems": problems}


def ranked(
    label: str, shares: Mapping[str, float], before: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """The most probable classes with their bars, and the number of other classes.

    Args:
        label: the predicted class.
        shares: class to probability, from 0 to 1, in the order of the contract, which determines the colours.
        before: shares of a previous prediction to compare with.
    """
    colours = {name: place % CLASS_COLOURS + 1 for place, name in enumerate(shares)}
    places = sorted(shares.items(), key=lambda pair: -pair[1])
    rows = [
        {
            "label": name,
            "share": share,
            "width": 100 * share,
            "is_answer": name == label,
            "colour": colours[name],
            "change": share - before[name] if before and name in before else None,
        }
        for name, share in places[:SHOWN_CLASSES]
    ]
    return {"shares": rows, "left_out": max(len(places) - SHOWN_CLASSES, 0)}


def _shown(key: str) -> Prediction | None:
    """The logged prediction of the address."""
    if not key:
        return None
    try:
        pk = uuid.UUID(key)
    except ValueError as error:
        raise Http404 from error
    return get_object_or_404(Prediction.objects.select_related("version__classifier"), pk=pk)


def _answer(request: StaffRequest, live: Live, form: FeaturesForm) -> str | None:
    """Return the address of the logged prediction, or None if the form has errors."""

    def answer() -> str:
        query = services.Query(live, [form.cleaned_data], Prediction.Source.FORM, request.user.get_username())
        (key,) = services.predict(query, lambda answer: answer.rows.ids)
        return f"{reverse('predictions:predict')}?{urlencode({'prediction': key})}"

    try:
        return send_once(request, answer)
    except ProblemError as error:
        form.refuse(error)
        return None
