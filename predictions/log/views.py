"""Pages of the log: search, exports, and one prediction."""

from collections.abc import Iterator

from django.http import FileResponse, Http404, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from clfsite.core.errors import Malformed
from clfsite.core.requests.members import check_parameters
from clfsite.core.storage.files import scratch
from clfsite.core.web.csv_output import CONTENT_TYPE
from clfsite.core.web.sent_forms import form_data
from clfsite.core.web.staff import StaffRequest, staff
from predictions.feedback.forms import FeedbackForm
from predictions.log import compared_inputs, search
from predictions.log import export as log_export
from predictions.log.forms import LogForm
from predictions.models import Prediction
from predictions.serving.portal.views import ranked

PER_PAGE = 50
# the values of ?sort=; in other orders, not all pages of the log would be fast
OLDEST_FIRST, NEWEST_FIRST = "time", "-time"


@staff()
@require_safe
def prediction_list(request: StaffRequest) -> HttpResponse:
    """The log by time, in pages that start at an id, without COUNT and OFFSET, so all pages are equally fast."""
    form = LogForm(request.GET)
    is_valid = form.is_valid()
    if {"before", "after"} & set(form.errors):
        raise Http404
    results, oldest_first = search.Page([]), _is_oldest_first(request)
    if is_valid:
        results = search.find(
            form.wanted,
            size=PER_PAGE,
            before=form.cleaned_data["before"],
            after=form.cleaned_data["after"],
            oldest_first=oldest_first,
        )
        search.with_truths(results.rows)
    context = {
        "form": form,
        "results": results,
        "is_filtered": form.is_filtered,
        "is_first": not (form.cleaned_data.get("before") or form.cleaned_data.get("after")),
        "oldest_first": oldest_first,
        "sort": OLDEST_FIRST if oldest_first else NEWEST_FIRST,
        "exported": log_export.MOST,
    }
    return render(request, "predictions/log/prediction_list.html", context)


def _is_oldest_first(request: StaffRequest) -> bool:
    return request.GET.get("sort") == OLDEST_FIRST


@staff()
@require_safe
def prediction_export(request: StaffRequest) -> HttpResponseBase:
    """The filtered rows as CSV, streamed while they are read."""
    try:
        form = _sent_filters(request, "features")
        as_json = _wants_json(request.GET.get("features", "columns"))
    except Malformed as error:
        return _bad_request(f"{error}\n")
    pieces = log_export.write(
        form.wanted,
        form.cleaned_data["classifier"],
        oldest_first=_is_oldest_first(request),
        as_json=as_json,
    )
    return _csv(pieces, "predictions.csv")


@staff()
@require_safe
def prediction_export_parquet(request: StaffRequest) -> HttpResponseBase:
    """The filtered rows as Parquet, sent once all are read."""
    try:
        form = _sent_filters(request)
    except Malformed as error:
        return _bad_request(f"{error}\n")
    with scratch() as folder:
        path = log_export.write_parquet(
            folder,
            form.wanted,
            form.cleaned_data["classifier"],
            oldest_first=_is_oldest_first(request),
        )
        # an open file can be read after its folder is deleted
        return FileResponse(
            path.open("rb"), as_attachment=True, content_type="application/vnd.apache.parquet"
        )


@staff()
@require_safe
def prediction_export_unjudged(request: StaffRequest) -> HttpResponseBase:
    """The filtered rows without a true label as CSV, with an empty column for it."""
    try:
        form = _sent_filters(request)
    except Malformed as error:
        return _bad_request(f"{error}\n")
    pieces = log_export.write_unjudged(
        form.wanted, form.cleaned_data["classifier"], oldest_first=_is_oldest_first(request)
    )
    return _csv(pieces, "true-labels.csv")


def _sent_filters(request: StaffRequest, *others: str) -> LogForm:
    """The valid filters of an export.

    Raises:
        Malformed: an unknown parameter, because a script that misspells a filter would take the whole log for its part,
            or an invalid value.
    """
    form = LogForm(request.GET)
    check_parameters(request.GET, [*form.fields, "sort", *others])
    if not form.is_valid():
        raise Malformed(_problems(form))
    return form


def _csv(pieces: Iterator[str], name: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        pieces,
        content_type=CONTENT_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _wants_json(features: str) -> bool:
    """Whether the inputs are wanted as JSON in one column instead of a column each."""
    if features not in {"columns", "json"}:
        raise Malformed(f'features: expected columns or json, got "{features[:60]}"')
    return features == "json"


def _bad_request(text: str) -> HttpResponse:
    return HttpResponseBadRequest(text, content_type="text/plain; charset=utf-8")


def _problems(form: LogForm) -> str:
    """The problems of the filters, one line each."""
    return "\n".join(f"{name}: {message}" for name, messages in form.errors.items() for message in messages)


@staff()
@require_safe
def prediction_detail(request: StaffRequest, pk: str) -> HttpResponse:
    """One prediction, with its input compared with the training data."""
    prediction = get_object_or_404(
        Prediction.objects.select_related("version__classifier", "batch", "activation"), pk=pk
    )
    contract = prediction.version.contract
    kept = form_data(request, sent_to=reverse("predictions:prediction-feedback", args=[prediction.pk]))
    given = list(prediction.feedback.all())
    truth = next((row for row in given if row.superseded_at is None), None)
    context = {
        "prediction": prediction,
        "contract": contract,
        "inputs": compared_inputs.of_prediction(prediction, contract),
        "given": given,
        "truth": truth,
        "form": FeedbackForm(contract.classes, kept, known=truth.label if truth else None),
        **ranked(prediction.label, prediction.probabilities),
    }
    return render(request, "predictions/log/prediction_detail.html", context)
