"""Pages of training runs: start, progress and result."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import F, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import capfirst
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from clfsite.core.errors import Conflict, ProblemError
from clfsite.core.web.lists import archived_apart, sorted_by
from clfsite.core.web.sent_forms import form_data, send_once
from clfsite.core.web.staff import StaffRequest, staff
from training.efforts import machine
from training.ml.progress import Phase
from training.ml.search.families import BOOSTING, FAMILIES, PLAIN_BOOSTING, families_of
from training.ml.tables.corrections import AS_INFERRED, Corrections
from training.models import Run, Version
from training.runs import progress
from training.runs.column_forms import ColumnsForm
from training.runs.forms import RetrainForm, RunForm, RunsForm
from training.runs.service import request_retrain, request_run, resume_run, stop_run
from training.versions import charts

PER_PAGE = 25  # runs
CANDIDATES_PER_PAGE = 50  # settings
SORTS = {
    "run": ["id"],
    "state": ["state"],
    "classifier": ["classifier__name"],
    "dataset": ["dataset__name", "dataset__number"],
    "estimator": ["recipe_data__estimator"],
    "score": ["best_score"],
    "took": ["took"],
    "started": ["created_at"],
    "by": ["created_by__username"],
    "version": ["version__number"],
}
CANDIDATE_SORTS = ("rank", "family", "mean", "std", "seconds")


def _runs() -> QuerySet[Run]:
    return Run.objects.select_related("classifier", "dataset", "created_by", "version").defer(
        "dataset__contract_data", "dataset__profile", *Version.bulky("held_out", path="version__")
    )


@staff()
@require_safe
def run_list(request: StaffRequest) -> HttpResponse:
    """The list of runs, with filters and sorting."""
    form = RunsForm(request.GET)
    rows = _runs().defer("candidates", "history").annotate(took=F("finished_at") - F("started_at"))
    if form.is_valid():
        rows = rows.filter(**{name: value for name, value in form.cleaned_data.items() if value})
    archived, rows = archived_apart(rows, request, "classifier")
    sort, rows = sorted_by(rows, request, SORTS, first="-run")
    context = {
        "form": form,
        "is_filtered": form.is_valid() and any(form.cleaned_data.values()),
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "sort": sort,
        "archived": archived,
    }
    return render(request, "training/runs/run_list.html", context)


@staff(needs="training.add_run")
@require_http_methods(["GET", "HEAD", "POST"])
def run_create(request: StaffRequest, pk: str = "") -> HttpResponse:
    """The form of a new run; with the number of an earlier run, it starts with its recipe."""
    machine.ensure_measured()
    repeats = get_object_or_404(_runs(), pk=pk) if pk else None
    data = form_data(request)
    form = RunForm(
        data,
        may_activate=request.user.has_perm("training.activate_version"),
        dataset=request.GET.get("dataset", ""),
        repeats=repeats,
    )
    start = repeats.corrections if repeats else AS_INFERRED
    columns = _columns(form, data, start)
    are_valid = [part.is_valid() for part in (form, columns) if part]
    is_sent = request.method == "POST" and all(are_valid)
    if is_sent and columns and (address := _request(request, form, columns)):
        return redirect(address)
    return render(request, "training/runs/run_create.html", {"form": form, "columns": columns})


def _columns(form: RunForm, data: QueryDict | None, start: Corrections) -> ColumnsForm | None:
    """The form for the columns of the chosen dataset; None if there are no datasets."""
    dataset = form.chosen
    if dataset is None:
        return None
    return ColumnsForm(
        data,
        dataset=dataset,
        start=start,
        positive=form.start.positive,
        group=form.start.group,
        time=form.start.time,
    )


def _request(request: StaffRequest, form: RunForm, columns: ColumnsForm) -> str | None:
    """Return the address of the queued run, or None if the form has errors."""
    data = form.cleaned_data
    try:
        return send_once(
            request,
            lambda: _address(
                request_run(
                    dataset=data["dataset"],
                    recipe=replace(
                        form.recipe,
                        positive=columns.positive_class,
                        group=columns.group_column,
                        time=columns.time_column,
                    ),
                    corrections=columns.corrections,
                    classifier=data["classifier"],
                    activate=data.get("activate", False),
                    user=request.user,
                )
            ),
        )
    except ProblemError as error:
        form.add_error(None, capfirst(str(error)))
        columns.problems = error.errors
        return None


def _address(run: Run) -> str:
    return reverse("training:run-detail", args=[run.pk])


@staff(needs="training.add_run")
@require_safe
def run_columns(request: StaffRequest) -> HttpResponse:
    """The fragment with the columns of the chosen dataset."""
    form = RunForm(request.GET, may_activate=False)
    context = {"columns": _columns(form, None, AS_INFERRED), "form": RunForm(may_activate=False)}
    return render(request, "training/runs/_run_columns_chosen.html", context)


@staff(needs="training.add_run")
@require_safe
def run_fits(request: StaffRequest) -> HttpResponse:
    """The fragment with the work of the current form."""
    form = RunForm(request.GET, may_activate=False)
    form.is_valid()
    return render(request, "training/runs/_run_fits.html", {"form": form})


@staff()
@require_safe
def run_detail(request: StaffRequest, pk: str) -> HttpResponse:
    """One run: progress, then metrics and the settings tried."""
    run = get_object_or_404(_runs(), pk=pk)
    version: Version | None = getattr(run, "version", None)
    confusion = None
    if version:
        confusion = charts.confusion(version.held_out["confusion"], version.contract.classes)
    sort, candidates = _candidates(request, run)
    context = {
        "run": run,
        "version": version,
        "confusion": confusion,
        "newest": run.dataset.newest if version else None,
        "events": list(progress.events(run)),
        "best": progress.best_so_far(run),
        "phases": len(Phase),
        "candidates": candidates,
        **(_untried(run) if run.state == Run.State.SUCCEEDED else {}),
        "sort": sort,
    }
    return render(request, "training/runs/run_detail.html", context)


def _untried(run: Run) -> dict[str, Any]:
    """The families of a run over several of which no setting was tried: for want of time, and because another has its place."""
    tried = {row.get("family") for row in run.candidates}
    # early runs have no family, because all their candidates had the same
    if None in tried:
        return {}
    missing = [name for name in families_of(run.recipe_data["estimator"]) if name not in tried]
    is_replaced = run.is_timed and BOOSTING in tried and PLAIN_BOOSTING in missing
    return {
        "untried": [FAMILIES[name].title for name in missing if not (is_replaced and name == PLAIN_BOOSTING)],
        "replaced": FAMILIES[PLAIN_BOOSTING].title if is_replaced else "",
    }


def _candidates(request: StaffRequest, run: Run) -> tuple[str, Page[dict[str, Any]]]:
    """A page of the settings tried, and their order, by default the best first."""
    asked = request.GET.get("sort", "")
    sort = asked if asked.removeprefix("-") in CANDIDATE_SORTS else "rank"
    column = sort.removeprefix("-")
    # early runs have no family, because all their candidates had the same
    rows = sorted(run.candidates, key=lambda row: row.get(column, ""), reverse=sort.startswith("-"))
    return sort, Paginator(rows, CANDIDATES_PER_PAGE).get_page(request.GET.get("page"))


@staff()
@require_safe
def run_progress(request: StaffRequest, pk: str) -> HttpResponse:
    """The fragment that is fetched every second; when the run has ended or its buttons change, the page is reloaded."""
    run = get_object_or_404(Run.objects.select_related("created_by").defer("candidates"), pk=pk)
    if run.is_over or request.GET.get("can_stop", str(run.can_stop)) != str(run.can_stop):
        return HttpResponseClientRefresh()
    context = {
        "run": run,
        "events": list(progress.events(run)),
        "best": progress.best_so_far(run),
        "phases": len(Phase),
    }
    return render(request, "training/runs/_run_progress.html", context)


@staff(needs="training.add_run")
@require_POST
def version_retrain(request: StaffRequest, pk: str) -> HttpResponse:
    """Start a run with the recipe of a version on the button's dataset."""
    version = get_object_or_404(Version.objects.select_related("classifier", "run__dataset"), pk=pk)
    form = RetrainForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was started: the dataset does not exist.")
        return redirect("training:version-detail", version.pk)

    def start() -> str:
        run = request_retrain(version=version, dataset=form.cleaned_data["dataset"], user=request.user)
        messages.success(request, f"Run {run.pk} retrains {version} on {run.dataset}.")
        return _address(run)

    try:
        address = send_once(request, start)
    except ProblemError as error:
        messages.error(request, f"Nothing was started: {error}.")
        address = None
    return redirect(address or reverse("training:version-detail", args=[version.pk]))


@staff(needs="training.add_run")
@require_POST
def run_resume(request: StaffRequest, pk: str) -> HttpResponse:
    """Restart a failed or cancelled run."""
    run = get_object_or_404(_runs(), pk=pk)
    try:
        resume_run(run=run)
    except Conflict as error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("training:run-detail", run.pk)


@staff(needs="training.add_run")
@require_POST
def run_stop(request: StaffRequest, pk: str) -> HttpResponse:
    """End the search of a run with the best setting so far."""
    run = get_object_or_404(_runs(), pk=pk)
    try:
        stop_run(run=run)
    except Conflict as error:
        messages.error(request, f"Nothing was changed: {error}.")
    return redirect("training:run-detail", run.pk)


@staff(needs="training.add_run")
@require_POST
def run_cancel(request: StaffRequest, pk: str) -> HttpResponse:
    """Cancel a queued or running run."""
    run = get_object_or_404(_runs(), pk=pk)
    if not run.request_cancel():
        messages.error(request, f"Nothing was changed: run {run.pk} has already ended.")
    elif run.is_over:
        messages.success(request, f"Run {run.pk} is cancelled.")
    else:
        messages.success(request, f"Run {run.pk} is being cancelled. This takes a few seconds.")
    return redirect("training:run-detail", run.pk)
