"""Pages of versions: lists, details, comparison, model card, files and activation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from clfsite.core.errors import Conflict, NotFound, ProblemError
from clfsite.core.web.charts import Chart
from clfsite.core.web.forms import read_text
from clfsite.core.web.lists import archived_apart, sorted_by
from clfsite.core.web.sent_forms import form_data
from clfsite.core.web.staff import StaffRequest, staff
from training.ml.judge.costs import Costs
from training.models import Activation, Classifier, Version
from training.versions import charts, comparison, history, model_card, verdict
from training.versions import costs as costs_of
from training.versions.forms import MOST_CLASSES, CostsForm, DecisionForm
from training.versions.service import activate_version, open_artifact

PER_PAGE = 50  # versions
HISTORY_PER_PAGE = 25  # activations
# activations on the page of a version
SHOWN_HISTORY = 5
SORTS = {
    "version": ["number"],
    "state": ["active"],
    "roc_auc": ["held_out__metrics__roc_auc"],
    "accuracy": ["held_out__metrics__accuracy"],
    "f1": ["held_out__metrics__f1"],
    "estimator": ["family"],
    "dataset": ["run__dataset__name", "run__dataset__number"],
    "trained": ["created_at"],
}


@staff()
@require_safe
def version_list(request: StaffRequest) -> HttpResponse:
    """The list of versions by classifier, newest first."""
    return _list(request)


def _list(request: StaffRequest, *, problem: str = "", chosen: Sequence[str] = ()) -> HttpResponse:
    """Render the list, possibly with the reason why the chosen versions cannot be compared."""
    versions = (
        Version.objects.with_active()
        .select_related("classifier", "run__dataset")
        .defer(
            *Version.bulky("held_out"),
            *("run__candidates", "run__history", "run__dataset__contract_data", "run__dataset__profile"),
        )
    )
    archived, rows = archived_apart(versions, request, "classifier")
    sort, rows = sorted_by(rows, request, SORTS, first="-version", within="classifier__name")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "groups": [
            (classifier, list(group)) for classifier, group in groupby(page, attrgetter("classifier"))
        ],
        "page": page,
        "sort": sort,
        "archived": archived,
        "can_compare": page.paginator.count >= comparison.LEAST,
        "most": comparison.MOST,
        "problem": problem,
        "chosen": set(chosen),
    }
    return render(request, "training/versions/version_list.html", context)


@staff()
@require_safe
def version_compare(request: StaffRequest) -> HttpResponse:
    """The comparison of versions; if they cannot be compared, the list of versions with the reason."""
    chosen = request.GET.getlist("versions")
    try:
        versions = comparison.chosen(chosen)
    except ProblemError as error:
        return _list(request, problem=str(error), chosen=chosen)
    labels = comparison.labels(versions)
    wanted = read_text(request.GET.get("class", ""), labels)
    label = wanted if wanted in labels else next(iter(labels), "")
    context = {
        "columns": list(zip(comparison.names(versions), versions, strict=True)),
        "versions": versions,
        "classifier": versions[0].classifier
        if len({version.classifier_id for version in versions}) == 1
        else None,
        "metrics": comparison.metrics(versions),
        "remarks": comparison.remarks(versions),
        "libraries": comparison.libraries(versions),
        "labels": labels,
        "label": label,
        **_drawn(versions, label),
    }
    return render(request, "training/versions/version_compare.html", context)


def _drawn(versions: Sequence[Version], label: str) -> dict[str, Any]:
    """Return the charts of a comparison: confusion matrices, the curves of one class, and importance."""
    names, judged = comparison.names(versions), [version.held_out for version in versions]
    features = [version.get("importance") or [] for version in judged]
    return {
        "confusions": [
            charts.confusion(
                version.held_out["confusion"],
                version.contract.classes,
                name=f"confusion-{version.pk}",
                title=f"Confusion matrix: {name}",
            )
            for name, version in zip(names, versions, strict=True)
        ],
        "curves": charts.overlaid(names, judged, label),
        "importance": charts.compared_importance(names, features) if any(features) else None,
    }


@staff(to_post="training.activate_version")
@require_http_methods(["GET", "HEAD", "POST"])
def version_detail(request: StaffRequest, pk: str) -> HttpResponse:
    """One version with its evaluation and history; posting a reason activates it."""
    version = get_object_or_404(Version.objects.select_related("classifier", "run__dataset"), pk=pk)
    current = version.classifier.activation
    in_force = current if current and current.version_id == version.pk else None
    threshold = in_force.threshold_in_force if in_force else version.threshold
    said, costs_form = _costs(request, version, current)
    costs = said or Costs.equal(version.contract.classes)
    curve = costs_of.curve(version, costs)
    is_by_costs = CostsForm.is_in(request.GET) or bool(not in_force and current and current.costs_data)
    form = DecisionForm(
        form_data(request),
        version=version,
        has_costs=said is not None,
        initial={
            "threshold": curve.cheapest if curve and said and is_by_costs else threshold,
            "by_costs": is_by_costs or bool(in_force and in_force.costs_data),
        },
    )
    if request.method == "POST" and form.is_valid():
        _activate(request, version, form.cleaned_data, said)
        return redirect("training:version-detail", version.pk)
    spells = history.spells(version.classifier)[:SHOWN_HISTORY]
    trials = verdict.trials(version, threshold, said)
    own = next((place for place, trial in enumerate(trials) if trial.threshold == threshold), 0)
    context = {
        "version": version,
        "form": form,
        "has_decision": len(form.fields) > 1,
        "contract": version.contract,
        "newest": version.run.dataset.newest,
        "confusion": charts.confusion(version.held_out["confusion"], version.contract.classes),
        "charts": [*charts.of_held_out(version.held_out), *_calibration_charts(version)],
        "sentences": [*verdict.sentences(version), *verdict.of_calibration(version)],
        "trials": [asdict(trial) for trial in trials],
        "own": own,
        "trial_sentences": trials[own].sentences if trials else [],
        "threshold": threshold,
        "costs_form": costs_form,
        "costs_chart": charts.costs(curve, threshold, costs.unit)
        if curve and threshold is not None
        else None,
        "cheapest": curve.cheapest if curve else None,
        "costs_of_labels": costs_of.of_labels(version, costs),
        "costs_unit": costs.unit,
        "spells": spells,
        "current": current,
        "is_active": in_force is not None,
    }
    return render(request, "training/versions/version_detail.html", context)


@staff()
@require_safe
def version_card(request: StaffRequest, pk: str) -> HttpResponse:
    """The model card of a version, to print or to save as PDF."""
    version = get_object_or_404(
        Version.objects.with_active().select_related("classifier", "run__dataset", "run__created_by"), pk=pk
    )
    contract = version.contract
    context = {
        "version": version,
        "contract": contract,
        "limits": model_card.limits(version),
        "confusion": charts.confusion(version.held_out["confusion"], contract.classes),
        "features": (version.held_out.get("importance") or [])[: model_card.SHOWN_FEATURES],
        "effort": charts.said_of_effort(effort)
        if (effort := version.held_out.get("importance_effort"))
        else "",
    }
    return render(request, "training/versions/version_card.html", context)


@staff()
@require_safe
def classifier_history(request: StaffRequest, pk: str) -> HttpResponse:
    """The activations of a classifier: which version, since when, by whom and why."""
    classifier = get_object_or_404(Classifier, pk=pk)
    page = Paginator(history.spells(classifier), HISTORY_PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request, "training/versions/classifier_history.html", {"classifier": classifier, "page": page}
    )


def _calibration_charts(version: Version) -> list[Chart]:
    """The chart of what calibration changed, if it did."""
    facts = version.out_of_fold.get("calibration") or {}
    if not facts.get("method"):
        return []
    return [charts.calibration_change(facts["curves"]["before"], facts["curves"]["after"])]


def _costs(
    request: StaffRequest, version: Version, current: Activation | None
) -> tuple[Costs | None, CostsForm | None]:
    """The costs in the address of the page, or those known, and the form for them; no form with many classes."""
    known = costs_of.known(version, current)
    classes = version.contract.classes
    if len(classes) > MOST_CLASSES:
        return known, None
    form = CostsForm(
        request.GET if CostsForm.is_in(request.GET) else None, known=known or Costs.equal(classes)
    )
    return (form.costs if form.is_valid() else known), form


def _activate(
    request: StaffRequest, version: Version, chosen: Mapping[str, Any], costs: Costs | None
) -> None:
    threshold = chosen.get("threshold")
    if threshold is None and not chosen.get("by_costs"):
        # equal costs answer the most probable label again
        costs = Costs.equal(version.contract.classes) if _decides_by_costs(version) else None
    try:
        activation = activate_version(
            version=version,
            actor=request.user.get_username(),
            reason=chosen["reason"],
            threshold=threshold,
            costs=costs,
        )
    except ProblemError as error:
        messages.error(request, f"Nothing was changed: {error}.")
    else:
        at = "" if activation.threshold is None else f" with the threshold {activation.threshold!r}"
        messages.success(request, f"{version} is now active{at}.")


def _decides_by_costs(version: Version) -> bool:
    current = version.classifier.activation
    is_in_force = current is not None and current.version_id == version.pk
    return is_in_force and version.threshold is None and bool(current and current.costs_data)


@staff()
@require_safe
def version_artifact(request: StaffRequest, pk: str, part: str) -> HttpResponseBase:
    """The download of one artifact of a version, which joblib can load."""
    version = get_object_or_404(Version.objects.select_related("classifier"), pk=pk)
    try:
        file = open_artifact(version, part)
    except NotFound as error:
        raise Http404 from error
    except Conflict as error:
        messages.error(request, f"Nothing was downloaded: {error}.")
        return redirect("training:version-detail", version.pk)
    return FileResponse(
        file,
        as_attachment=True,
        filename=f"{version.classifier}-v{version.number}-{part}.joblib",
        content_type="application/octet-stream",
    )
