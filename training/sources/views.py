"""Pages of datasets from a database: ask a query, and ask it again."""

from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from clfsite.core.errors import ProblemError
from clfsite.core.web.sent_forms import form_data, send_once
from clfsite.core.web.staff import StaffRequest, staff
from training.models import Dataset
from training.sources.forms import QueryForm
from training.sources.service import import_again, import_query


@staff(needs="training.query_source")
@require_http_methods(["GET", "HEAD", "POST"])
def query_create(request: StaffRequest) -> HttpResponse:
    """The form for a query whose rows become a dataset."""
    form = QueryForm(form_data(request))
    if request.method == "POST" and form.is_valid() and (address := _ask(request, form)):
        return redirect(address)
    return render(request, "training/sources/query_create.html", {"form": form})


def _ask(request: StaffRequest, form: QueryForm) -> str | None:
    """Return the address of the stored dataset, or None if the form has errors."""

    def ask() -> str:
        began = timezone.now()
        return _stored(request, import_query(**form.cleaned_data, user=request.user), began)

    try:
        return send_once(request, ask)
    except ProblemError as error:
        form.refuse(error)
        return None


@staff(needs="training.query_source")
@require_POST
def query_again(request: StaffRequest, pk: str) -> HttpResponse:
    """Execute the query of a dataset again; its rows are the next version if they have changed."""
    dataset = get_object_or_404(Dataset, pk=pk)

    def ask() -> str:
        began = timezone.now()
        return _stored(request, import_again(dataset, request.user), began)

    try:
        address = send_once(request, ask)
    except ProblemError as error:
        messages.error(request, f"Nothing was added: {error}.")
        address = None
    return redirect(address or reverse("training:dataset-detail", args=[dataset.pk]))


def _stored(request: StaffRequest, dataset: Dataset, began: datetime) -> str:
    if dataset.created_at < began:
        messages.info(request, f"The rows are those of {dataset}. Nothing was added.")
    else:
        messages.success(request, f"{dataset} was saved. Check the columns, then start a run.")
    return reverse("training:dataset-detail", args=[dataset.pk])
