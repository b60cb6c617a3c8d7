"""Pages of datasets: upload a table, and check its columns before training."""

import re
from typing import IO, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import capfirst
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods, require_safe

from clfsite.core.errors import ProblemError
from clfsite.core.web import charts
from clfsite.core.web.lists import archived_apart, sorted_by
from clfsite.core.web.sent_forms import kept_data
from clfsite.core.web.staff import StaffRequest, staff
from training.datasets.changes import compare_datasets, version_before
from training.datasets.forms import DatasetForm, FileForm, OptionsForm
from training.datasets.service import import_dataset
from training.datasets.uploads import delete_upload, opened, preview, store_upload
from training.ml.files.options import AUTOMATIC, Options
from training.ml.tables.contract import Contract, Kind, top_values
from training.ml.tables.digits import apart
from training.models import Dataset, Upload, Version
from training.sources.forms import QueryForm
from training.sources.service import source_names

PER_PAGE = 25  # datasets
SORTS = {
    "name": ["name", "number"],
    "target": ["target"],
    "rows": ["rows"],
    "columns": ["columns"],
    "size": ["size_bytes"],
    "added": ["id"],
    "by": ["created_by__username"],
}
# rows of each of the lists on a dataset's page: datasets of the same name, and runs
SHOWN = 10
COLUMNS_PER_PAGE = 50
COLUMN_SORTS = {"name": "name", "missing": "missing", "distinct": "distinct"}
# columns that are shown by how far they moved
SHIFTS = 25
# most frequent values that are shown of each class
TOP_OF_CLASS = 2


@staff(to_post="training.add_dataset")
@require_http_methods(["GET", "HEAD", "POST"])
def dataset_list(request: StaffRequest) -> HttpResponse:
    """The list of datasets, newest first, and the form to upload a file."""
    form = FileForm(request)
    if form.is_valid():
        try:
            upload = store_upload(form.cleaned_data["file"], request.user)
        except ProblemError as error:
            form.refuse(error)
        else:
            return redirect("training:upload-detail", upload.pk)
    rows = Dataset.objects.defer("contract_data", "profile").select_related("created_by")
    archived, rows = archived_apart(rows, request)
    sort, rows = sorted_by(rows, request, SORTS, first="-added")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "training/datasets/dataset_list.html",
        {"form": form, "query_form": _query_form(request), "page": page, "sort": sort, "archived": archived},
    )


def _query_form(request: StaffRequest) -> QueryForm | None:
    """The form for a query, if there is a database that this person may query."""
    if not source_names() or not request.user.has_perm("training.query_source"):
        return None
    return QueryForm(kept_data(request, sent_to=reverse("training:query-create")))


@staff(needs="training.add_dataset")
@require_http_methods(["GET", "HEAD", "POST"])
def upload_detail(request: StaffRequest, pk: str) -> HttpResponse:
    """An uploaded file as it is read, and the form to save it as a dataset; the file stays until it is saved."""
    upload = get_object_or_404(Upload, pk=pk, created_by=request.user)
    sent = request.POST if request.method == "POST" else request.GET
    options_form = OptionsForm(sent)
    options = options_form.options if options_form.is_valid() else AUTOMATIC
    with opened(upload) as path:
        try:
            shown = preview(path, options)
        except ProblemError as error:
            options_form.add_error(None, capfirst(str(error)))
            shown = preview(path)
        form = DatasetForm(
            shown,
            request.POST if request.method == "POST" else None,
            # what was filled in stays when the file is read again
            initial={
                "name": _plain_name(upload.name),
                **{key: str(text) for key, text in request.GET.items() if text},
            },
        )
        if options_form.is_valid() and form.is_valid():
            with path.open("rb") as file:
                dataset = _import(request, form, file, options)
            if dataset:
                delete_upload(upload)
                if "train" in request.POST:
                    return redirect(f"{reverse('training:run-create')}?dataset={dataset.pk}")
                return redirect("training:dataset-detail", dataset.pk)
    context = {"upload": upload, "preview": shown, "form": form, "options_form": options_form}
    return render(request, "training/datasets/upload_detail.html", context)


def _plain_name(name: str) -> str:
    """Return a file's name without its endings, in the characters of a dataset's name."""
    stem = name.removesuffix(".gz").rpartition(".")[0] or name
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-._")[:100]


def _import(request: StaffRequest, form: DatasetForm, source: IO[bytes], options: Options) -> Dataset | None:
    """Return the stored dataset, or None if the form has errors."""
    data, began = form.cleaned_data, timezone.now()
    try:
        dataset = import_dataset(
            name=data["name"],
            target=data["target"],
            source=source,
            categories=data["categories"],
            options=options,
            positive=data.get("positive") or None,
            user=request.user,
        )
    except ProblemError as error:
        form.refuse(error)
        return None
    if dataset.created_at < began:
        messages.info(request, f"This table already exists as {dataset}. Nothing was added.")
    else:
        messages.success(request, f"{dataset} was saved. Check the columns, then start a run.")
    return dataset


@staff()
@require_safe
def dataset_detail(request: StaffRequest, pk: str) -> HttpResponse:
    """One dataset: the profile of its columns, and its contract."""
    dataset = get_object_or_404(Dataset.objects.select_related("created_by"), pk=pk)
    contract = dataset.contract
    sort, profiles = _sorted(dataset.profile, request.GET.get("sort", ""))
    page = Paginator(profiles, COLUMNS_PER_PAGE).get_page(request.GET.get("page"))
    columns = [_column(profile, dataset.rows, contract) for profile in page]
    same_name = Dataset.objects.filter(name=dataset.name).defer("contract_data", "profile")
    runs = dataset.runs.select_related("classifier", "version").defer(
        "candidates", "history", *Version.bulky(path="version__")
    )
    context = {
        "dataset": dataset,
        "contract": contract,
        "page": page,
        "sort": sort,
        "columns": columns,
        "same_name": same_name.order_by("-number")[:SHOWN],
        "earlier": same_name.filter(number__lt=dataset.number).order_by("-number").first(),
        "runs": runs.order_by("-id")[:SHOWN],
        "asked_at": parse_datetime(dataset.origin["at"]) if dataset.origin else None,
        "is_known_source": dataset.origin.get("source") in source_names(),
    }
    return render(request, "training/datasets/dataset_detail.html", context)


@staff()
@require_safe
def dataset_changes(request: StaffRequest, pk: str) -> HttpResponse:
    """What changed since an earlier version: a page, or only its cards for the page of the dataset."""
    dataset = get_object_or_404(Dataset, pk=pk)
    earlier = Dataset.objects.filter(name=dataset.name, number__lt=dataset.number)
    try:
        old = version_before(dataset, request.GET.get("since", ""))
    except ProblemError as error:
        raise Http404(str(error)) from error
    context: dict[str, Any] = {
        "dataset": dataset,
        "old": old,
        "earlier": earlier.only("name", "number").order_by("-number"),
    }
    try:
        changes = compare_datasets(old, dataset)
        context |= {"changes": changes, "shifts": changes.shifted[:SHIFTS]}
    except ProblemError as error:
        context["problem"] = capfirst(str(error))
    name = "_changes" if request.htmx else "dataset_changes"
    return render(request, f"training/datasets/{name}.html", context)


def _sorted(profiles: list[dict[str, Any]], asked: str) -> tuple[str, list[dict[str, Any]]]:
    """Sort the columns; return the order and the columns, or an empty order and the order of the file."""
    key = COLUMN_SORTS.get(asked.removeprefix("-"))
    if key is None:
        return "", profiles
    return asked, sorted(profiles, key=lambda profile: profile[key], reverse=asked.startswith("-"))


def _column(profile: dict[str, Any], rows: int, contract: Contract) -> dict[str, Any]:
    """Return a column's profile with its feature or the reason why there is none, shares of the rows, and bars."""
    name, present = profile["name"], max(rows - profile["missing"], 1)
    return {
        **profile,
        "feature": next((feature for feature in contract.features if feature.name == name), None),
        "reason": contract.left_out.get(name),
        "missing_share": profile["missing"] / max(rows, 1),
        "top": [(value, count / present) for value, count in top_values(profile)],
        "bars": charts.spark(profile.get("counts", [])),
        "classes": _classes(profile),
    }


def _classes(profile: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the distribution of a column in each class, in shares of the class and on a common scale."""
    classes = profile.get("by_class", [])
    shares = [[count / max(item["rows"], 1) for count in item["counts"]] for item in classes]
    highest = max((share for row in shares for share in row), default=0)
    values = [value for value, _ in top_values(profile)]
    known = [item["median"] for item in classes if item.get("median") is not None]
    shown = known if profile.get("kind") == Kind.DATE else apart(*known)
    medians = dict(zip(known, shown, strict=True))
    return [
        {
            "label": item["label"],
            "bars": charts.spark(row, highest),
            "median": medians.get(item.get("median")),
            "top": sorted(zip(values, row, strict=True), key=lambda pair: -pair[1])[:TOP_OF_CLASS]
            if values
            else [],
        }
        for item, row in zip(classes, shares, strict=True)
    ]
