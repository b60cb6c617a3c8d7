"""One record in, one answer beside it."""

import uuid
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from clfsite.staff import StaffRequest, staff
from predictions import charts, services
from predictions.entries import Entry
from predictions.forms import FeaturesForm
from predictions.live import Live, models
from predictions.models import Prediction
from training.errors import NotFound, Refused, Unavailable


@staff(needs="predictions.add_prediction")
@require_http_methods(["GET", "HEAD", "POST"])
def predict(request: StaffRequest) -> HttpResponse:
    """A form made from the contract. An answer has its own address, so that reloading it asks nothing again."""
    shown = _shown(request.GET.get("prediction", ""))
    model = shown.version.classifier.name if shown else request.GET.get("model")
    try:
        live = models.get(model)
    except NotFound as error:
        raise Http404 from error
    except Unavailable as error:
        return render(request, "predictions/predict.html", {"fault": str(error), "lives": models.all()})
    form = FeaturesForm(live.contract, request.POST or None, shown.features if shown else None)
    if form.is_valid() and (answered := _answer(request, live, form)):
        return redirect(f"{reverse('predictions:predict')}?{urlencode({'prediction': answered.id})}")
    context = {
        "form": form,
        "live": live,
        "lives": models.all(),
        "prediction": shown,
        "chart": charts.probabilities(shown.label, shown.probabilities) if shown else None,
    }
    return render(request, "predictions/predict.html", context)


def _shown(key: str) -> Prediction | None:
    """The logged answer that the address names."""
    if not key:
        return None
    try:
        pk = uuid.UUID(key)
    except ValueError as error:
        raise Http404 from error
    return get_object_or_404(Prediction.objects.select_related("version__classifier"), pk=pk)


def _answer(request: StaffRequest, live: Live, form: FeaturesForm) -> Entry | None:
    """Return the logged answer, or None when the form now says why there is none."""
    try:
        answer = services.predict(
            records=[form.cleaned_data],
            source=Prediction.Source.FORM,
            caller=request.user.get_username(),
            model=live.classifier,
        )
    except Refused as error:
        form.refuse(error)
        return None
    return answer.predictions[0]
