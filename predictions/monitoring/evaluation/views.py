"""The monitoring page: whether a classifier is still right, since when not, why, and what to do."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from clfsite.core.web.charts import Chart
from clfsite.core.web.numbers import interval, percent
from clfsite.core.web.staff import StaffRequest, staff
from predictions.monitoring.evaluation import advice
from predictions.monitoring.evaluation.charts import METRICS, beside_training, over_time
from predictions.monitoring.evaluation.evaluate import active_version, evaluate
from predictions.monitoring.evaluation.facts import Evaluation
from predictions.monitoring.forms import MonitoringForm
from predictions.monitoring.inspection.look import Look, look
from training.ml.watch.judged import ENOUGH, Scores
from training.ml.watch.shares import Share

SHOWN_COLUMNS = 25  # rows of the table
SHOWN_CHARTS = 4  # charts of inputs
SHOWN_SEGMENTS = 10  # rows of the table


@staff()
@require_safe
def monitoring_page(request: StaffRequest) -> HttpResponse:
    """The evaluation of a classifier's active version over a window."""
    form = MonitoringForm(request.GET)
    context: dict[str, Any] = {"form": form, "classifier": form.chosen}
    version = active_version(form.chosen) if form.chosen else None
    if version:
        evaluation = evaluate(version, days=form.window)
        context |= {
            "version": version,
            "evaluation": evaluation,
            "verdict": advice.verdict(evaluation),
            "since": advice.since(evaluation),
            "findings": advice.findings(evaluation),
            "columns": [(column, advice.largest(column)) for column in evaluation.columns[:SHOWN_COLUMNS]],
            "hidden": max(len(evaluation.columns) - SHOWN_COLUMNS, 0),
            "charts": _charts(evaluation) if evaluation.predictions else [],
            "quality": _quality(evaluation),
            "stats": _stats(evaluation),
            **_looked_at(look(version)),
        }
    return render(request, "predictions/monitoring/monitoring.html", context)


def _looked_at(looked: Look) -> dict[str, Any]:
    """The metrics as far as true labels came, and what the newest inspection found."""
    auc = {day["day"]: Share(**day["roc_auc"]) for day in looked.findings.get("days", ()) if day["roc_auc"]}
    days = {
        day: _by_title(of_day, auc.get(day.isoformat()))
        for day, (rows, of_day) in looked.days.items()
        if rows >= ENOUGH
    }
    overall = looked.findings.get("roc_auc")
    return {
        "looked": looked,
        "metrics": _by_title(looked.scores, Share(**overall) if overall else None),
        "over_time": over_time(days) if len(days) > 1 else None,
        "segments": looked.findings.get("segments", [])[:SHOWN_SEGMENTS],
        "protected": looked.findings.get("protected", []),
        "whole_table": looked.findings.get("whole_table"),
    }


def _by_title(scores: Scores, auc: Share | None) -> dict[str, Share]:
    """The metrics that are known, by their titles."""
    found = zip(METRICS, (scores.accuracy, scores.precision, scores.recall, auc), strict=True)
    return {title: share for title, share in found if share}


def _stats(evaluation: Evaluation) -> list[dict[str, str]]:
    """The numbers on top: label, value, hint and icon of each."""
    estimated, measured = evaluation.accuracy.estimated, evaluation.accuracy.measured
    stats = [
        ("Predictions", f"{evaluation.predictions:,}", "in this period", "activity"),
        ("Estimated accuracy", "unknown", "no predictions, or a version from before", "target"),
        ("Measured accuracy", "unknown", "no feedback in this period", "message-check"),
        ("Refused records", percent(evaluation.quality.refused), "by the contract", "circle-x"),
    ]
    if estimated:
        reach = interval((estimated.low, estimated.high))
        hint = reach if estimated.holds else f"does not hold: {estimated.why}"
        stats[1] = ("Estimated accuracy", percent(estimated.value), hint, "target")
    if measured:
        hint = f"{interval((measured.low, measured.high))}, {measured.feedback:,} with feedback"
        stats[2] = ("Measured accuracy", percent(measured.value), hint, "message-check")
    return [dict(zip(("label", "value", "hint", "icon"), stat, strict=True)) for stat in stats]


def _charts(evaluation: Evaluation) -> list[Chart]:
    """The inputs that moved, or the one with the largest shift, and the label mix."""
    columns = evaluation.moved[:SHOWN_CHARTS] or list(evaluation.columns[:1])
    charts = [
        beside_training(f"column-{place}", f"{column.name}: training and this period", column)
        for place, column in enumerate(columns)
    ]
    mix = beside_training(
        "label-mix", "Predicted labels: held-out rows and this period", evaluation.label_mix
    )
    return [*charts, mix]


def _quality(evaluation: Evaluation) -> list[tuple[str, float, float, float]]:
    """Inputs with missing, unseen or out-of-range values, with these shares, the largest first."""
    data = evaluation.quality
    kinds = (data.missing, data.unseen, data.out_of_range)
    names = {name for shares in kinds for name in shares}
    rows = [
        (name, data.missing.get(name, 0.0), data.unseen.get(name, 0.0), data.out_of_range.get(name, 0.0))
        for name in names
    ]
    return sorted(rows, key=lambda row: (-max(row[1:]), row[0]))[:SHOWN_COLUMNS]
