"""CSV files scored as jobs: hand one in, watch it, look at the answers, take them along."""

import csv
from pathlib import Path
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Case, Count, F, IntegerField, When
from django.db.models.functions import Cast, Floor, Least
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRefresh

from clfsite.staff import StaffRequest, staff
from predictions import batches, charts
from predictions.forms import BatchForm
from predictions.live import models
from predictions.models import Batch
from training.charts import Chart
from training.errors import NotFound, Refused, Unavailable
from training.ml.contract import Contract

PER_PAGE = 25
SHOWN_ROWS = 100
# 1 - 0.8 is a little less than 0.2, and belongs where 0.2 does
EDGE = 1e-9


@staff(to_post="predictions.add_batch")
@require_http_methods(["GET", "HEAD", "POST"])
def batch_list(request: StaffRequest) -> HttpResponse:
    """Every file handed in, the newest first, and the form for the next."""
    lives = models.all()
    form = BatchForm(request, lives)
    if form.is_valid() and (batch := _create(request, form)):
        return redirect("predictions:batch-detail", batch.pk)
    rows = Batch.objects.select_related("version__classifier").only(
        *(
            "file_name",
            "state",
            "rows_total",
            "rows_done",
            "caller",
            "created_at",
            "started_at",
            "finished_at",
        ),
        *("version__number", "version__classifier__name"),
    )
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "predictions/batch_list.html", {"form": form, "lives": lives, "page": page})


def _create(request: StaffRequest, form: BatchForm) -> Batch | None:
    """Return the queued batch, or None when the form now says why there is none."""
    try:
        return batches.create_batch(
            source=form.cleaned_data["file"],
            caller=request.user.get_username(),
            model=form.cleaned_data["model"],
            user=request.user,
        )
    except Refused as error:
        form.refuse(error)
        return None


@staff(needs="predictions.add_batch")
@require_safe
def batch_sample(request: StaffRequest) -> HttpResponse:
    """A file that a classifier accepts: its header and one row."""
    try:
        live = models.get(request.GET.get("model"))
    except (NotFound, Unavailable) as error:
        raise Http404 from error
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{live.classifier}-sample.csv"'
    writer = csv.writer(response)
    writer.writerow(map(batches.safe_cell, live.contract.names))
    writer.writerow(map(_cell, live.contract.example.values()))
    return response


def _cell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else batches.safe_cell(str(value))


@staff()
@require_safe
def batch_detail(request: StaffRequest, pk: str) -> HttpResponse:
    """One file: its progress, then its answers or what is wrong with it."""
    batch = get_object_or_404(Batch.objects.select_related("version__classifier"), pk=pk)
    context: dict[str, Any] = {"batch": batch}
    if batch.state == Batch.State.SUCCEEDED:
        header, rows = _first_rows(batch)
        context |= {"charts": _charts(batch, batch.version.contract), "header": header, "rows": rows}
    return render(request, "predictions/batch_detail.html", context)


def _first_rows(batch: Batch) -> tuple[list[str], list[list[str]]]:
    """The start of the result file, with probabilities short enough to read; nothing when the file is gone."""
    try:
        header, rows = batches.read_result(batch, SHOWN_ROWS)
    except OSError:
        return [], []
    first, last = 2, 3 + len(batch.version.contract.classes)
    return header, [
        [*row[:first], *(f"{float(cell):.4f}" for cell in row[first:last]), *row[last:]] for row in rows
    ]


def _charts(batch: Batch, contract: Contract) -> list[Chart]:
    counted = dict(batch.predictions.order_by().values_list("label").annotate(Count("pk")))
    mix = {label: counted.get(label, 0) for label in contract.classes}
    # of two classes the log keeps the probability of the one answered; the other's is the rest
    answered = When(label=contract.positive, then=F("probability"))
    share = Case(answered, default=1 - F("probability")) if contract.positive else F("probability")
    of = contract.positive or "the label"
    bins = (
        batch.predictions.order_by()
        .annotate(bin=Least(Cast(Floor(share * charts.BINS + EDGE), IntegerField()), charts.BINS - 1))
        .values_list("bin")
        .annotate(Count("pk"))
    )
    found = dict(bins)
    histogram = charts.probability_histogram([found.get(place, 0) for place in range(charts.BINS)], of)
    return [charts.label_mix(mix), histogram]


@staff()
@require_safe
def batch_progress(request: StaffRequest, pk: str) -> HttpResponse:
    """The piece of a batch's page that is fetched every second; the page is loaded anew once it is over."""
    batch = get_object_or_404(Batch, pk=pk)
    if batch.is_over:
        return HttpResponseClientRefresh()
    return render(request, "predictions/_batch_progress.html", {"batch": batch})


@staff()
@require_safe
def batch_result(request: StaffRequest, pk: str) -> FileResponse:
    """The answers as CSV, beside the columns of the file that came in."""
    batch = get_object_or_404(Batch, pk=pk, state=Batch.State.SUCCEEDED)
    try:
        file = batches.files().open(batch.result_name)
    except OSError as error:
        raise Http404 from error
    stem = slugify(Path(batch.file_name).stem) or "batch"
    return FileResponse(
        file,
        as_attachment=True,
        filename=f"{stem}-answers-{batch.pk}.csv",
        content_type="text/csv; charset=utf-8",
    )
