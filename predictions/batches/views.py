"""Pages of batches: upload, preview, start, progress, results and downloads."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import capfirst
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from clfsite.core.errors import Conflict, NotFound, ProblemError, Unavailable
from clfsite.core.web import csv_output
from clfsite.core.web.charts import Chart
from clfsite.core.web.forms import read_text
from clfsite.core.web.lists import sorted_by
from clfsite.core.web.sent_forms import send_once
from clfsite.core.web.staff import StaffRequest, staff
from predictions.batches import charts
from predictions.batches import counts as batch_counts
from predictions.batches import downloads as batch_downloads
from predictions.batches import service as batches
from predictions.batches.answers import own_columns
from predictions.batches.check import carried
from predictions.batches.forms import BatchForm, StartForm
from predictions.batches.models import Batch
from predictions.serving.live_models import live_models
from training.ml.tables.contract import Contract

PER_PAGE = 25
SHOWN_ROWS = 100
SORTS = {
    "file": ["file_name"],
    "state": ["state"],
    "version": ["version__classifier__name", "version__number"],
    "rows": ["rows_total"],
    "caller": ["caller"],
    "uploaded": ["created_at"],
}
LISTED = (
    *("file_name", "state", "rows_total", "rows_bad", "rows_done", "checked_at", "bytes_done", "size_bytes"),
    *("caller", "created_at", "started_at", "finished_at", "cancel_requested_at"),
    *("version__number", "version__classifier__name"),
)
# large columns that the fragment fetched every second does not need
BULKY = ("header", "preview", "problems", "summary")


@staff(to_post="predictions.add_batch")
@require_http_methods(["GET", "HEAD", "POST"])
def batch_list(request: StaffRequest) -> HttpResponse:
    """All batches, newest first, and the upload form."""
    lives = live_models.all()
    form = BatchForm(request, lives)
    if form.is_valid() and (address := _create(request, form)):
        return redirect(address)
    rows = Batch.objects.select_related("version__classifier").only(*LISTED)
    sort, rows = sorted_by(rows, request, SORTS, first="-uploaded")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "lives": lives, "page": page, "sort": sort}
    return render(request, "predictions/batches/batch_list.html", context)


def _create(request: StaffRequest, form: BatchForm) -> str | None:
    """Return the address of the queued batch, or None if the form has errors."""

    model, lives = form.cleaned_data["model"], live_models.all()

    def create() -> str:
        source, name = form.cleaned_data["file"], model
        if not name and (name := batches.fitting(source, lives)):
            messages.info(request, f"The file fits {name}.")
        batch = batches.create_batch(
            source=source,
            caller=request.user.get_username(),
            model=name or None,
            hold=True,
            user=request.user,
        )
        return reverse("predictions:batch-detail", args=[batch.pk])

    try:
        return send_once(request, create)
    except ProblemError as error:
        form.refuse(error)
        is_about_columns = any(problem.get("code") == "no_column" for problem in error.errors)
        if is_about_columns and not model and len(lives) > 1:
            form.add_error(
                "file", "They fit no other classifier either. Choose one to see which columns it lacks."
            )
        return None


@staff(needs="predictions.add_batch")
@require_safe
def batch_sample(request: StaffRequest) -> HttpResponse:
    """A sample file for a classifier, with a header and one row."""
    try:
        live = live_models.get(request.GET.get("model"))
    except (NotFound, Unavailable) as error:
        raise Http404 from error
    example = live.contract.example
    lines = [csv_output.header(example), *csv_output.lines([example.values()])]
    return HttpResponse(
        csv_output.text(lines),
        content_type=csv_output.CONTENT_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{live.classifier}-sample.csv"'},
    )


@staff()
@require_safe
def batch_detail(request: StaffRequest, pk: str) -> HttpResponse:
    """One batch: preview, progress, then results or problems."""
    batch = get_object_or_404(Batch.objects.select_related("version__classifier"), pk=pk)
    contract = batch.version.contract
    context: dict[str, Any] = {"batch": batch, **_preview(batch, contract)}
    context["renamed"] = [pair for pair in own_columns(batch, contract).items() if pair[0] != pair[1]]
    if batch.state == Batch.State.SUCCEEDED:
        header, rows = _first_rows(batch)
        context |= {"header": header, "rows": rows, "charts": _charts(batch, contract)}
        context |= _by_feature(batch, contract, request.GET.get("feature", ""))
    return render(request, "predictions/batches/batch_detail.html", context)


def _preview(batch: Batch, contract: Contract) -> dict[str, Any]:
    """The columns of the features with the findings, and the unused columns."""
    preview = batch.preview
    columns = [
        {
            "feature": feature,
            "place": batch.header.index(feature.name) + 1,
            "bad": preview.get("bad_values", {}).get(feature.name, 0),
            "unseen": preview.get("unseen_values", {}).get(feature.name, 0),
        }
        for feature in contract.features
        if feature.name in batch.header
    ]
    unused = carried(batch.header, contract)
    shown = preview.get("rows", [])
    return {
        "columns": columns,
        "unused": unused,
        "shown": shown,
        "shown_header": batch.header[: len(shown[0])] if shown else [],
    }


def _first_rows(batch: Batch) -> tuple[list[str], list[list[str]]]:
    """The header and the first rows of the result, with rounded probabilities; empty if the file is missing."""
    try:
        header, rows = batch_downloads.first_rows(batch, SHOWN_ROWS)
    except OSError:
        return [], []
    contract = batch.version.contract
    first = list(own_columns(batch, contract)).index("probability")
    last = first + 1 + len(contract.classes)
    return header, [
        [*row[:first], *(f"{float(cell):.4f}" for cell in row[first:last]), *row[last:]] for row in rows
    ]


def _charts(batch: Batch, contract: Contract) -> list[Chart]:
    """The charts of all predictions, from the counts of the parts."""
    counted = batch.summary
    if not counted:
        return []
    mix = dict(zip(contract.classes, counted["labels"], strict=True))
    return [
        charts.label_mix(mix),
        charts.probability_histogram(
            counted["probability"],
            contract.positive or "the label",
            contract.classes.index(contract.positive) if contract.positive else 0,
        ),
    ]


def _by_feature(batch: Batch, contract: Contract, wanted: str) -> dict[str, Any]:
    """The chart of labels by the requested feature, or by the most informative one."""
    counted = batch.summary.get("features", {})
    known = [name for name in contract.names if name in counted]
    wanted = read_text(wanted, known)
    name = wanted if wanted in counted else batch_counts.most_telling(counted)
    if not name:
        return {}
    feature = next(feature for feature in contract.features if feature.name == name)
    groups = batch_counts.groups_of(feature).names
    chart = charts.label_by_group(name, groups, contract.classes, counted[name])
    return {
        "features": known,
        "feature": name,
        "feature_chart": chart,
        "left_out": len(contract.names) - len(known),
    }


@staff()
@require_safe
def batch_feature(request: StaffRequest, pk: str) -> HttpResponse:
    """The fragment with the labels by the chosen feature."""
    batch = get_object_or_404(
        Batch.objects.select_related("version__classifier"), pk=pk, state=Batch.State.SUCCEEDED
    )
    context = _by_feature(batch, batch.version.contract, request.GET.get("feature", ""))
    return render(request, "predictions/batches/_batch_feature.html", {"batch": batch, **context})


@staff()
@require_safe
def batch_progress(request: StaffRequest, pk: str) -> HttpResponse:
    """The fragment that is fetched every second; when the batch has ended or waits, the page is reloaded."""
    batch = get_object_or_404(Batch.objects.defer(*BULKY), pk=pk)
    if batch.is_over or batch.state == Batch.State.CHECKED:
        return HttpResponseClientRefresh()
    return render(request, "predictions/batches/_batch_progress.html", {"batch": batch})


@staff(needs="predictions.add_batch")
@require_POST
def batch_start(request: StaffRequest, pk: str) -> HttpResponse:
    """Score a checked file, or its valid rows."""
    batch = get_object_or_404(Batch, pk=pk)
    form = StartForm(request.POST)
    if form.is_valid():
        try:
            batches.start_scoring(batch=batch, mode=form.cleaned_data["mode"])
        except (Conflict, ProblemError) as error:
            messages.error(request, f"Nothing was started: {error}.")
    else:
        messages.error(request, "Nothing was started: choose what to do with invalid rows.")
    return redirect("predictions:batch-detail", batch.pk)


@staff(needs="predictions.add_batch")
@require_POST
def batch_resume(request: StaffRequest, pk: str) -> HttpResponse:
    """Resume a failed or cancelled batch."""
    batch = get_object_or_404(Batch, pk=pk)
    try:
        batches.resume_batch(batch=batch)
    except Conflict as error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("predictions:batch-detail", batch.pk)


@staff(needs="predictions.add_batch")
@require_POST
def batch_cancel(request: StaffRequest, pk: str) -> HttpResponse:
    """Cancel a queued or running batch."""
    batch = get_object_or_404(Batch, pk=pk)
    if not batch.request_cancel():
        messages.error(request, f"Nothing was changed: {batch} has already ended.")
    elif batch.is_over:
        messages.success(request, f"{capfirst(str(batch))} is cancelled.")
    else:
        messages.success(request, f"{capfirst(str(batch))} is being cancelled. This takes a few seconds.")
    return redirect("predictions:batch-detail", batch.pk)


@staff()
@require_safe
def batch_result(request: StaffRequest, pk: str) -> HttpResponseBase:
    """The results as CSV, with the columns of the uploaded file."""
    try:
        return batch_downloads.answers(get_object_or_404(Batch, pk=pk))
    except (Conflict, NotFound) as error:
        raise Http404 from error


@staff()
@require_safe
def batch_errors(request: StaffRequest, pk: str) -> HttpResponseBase:
    """All problems of the file as CSV."""
    try:
        return batch_downloads.errors(get_object_or_404(Batch, pk=pk))
    except NotFound as error:
        raise Http404 from error
