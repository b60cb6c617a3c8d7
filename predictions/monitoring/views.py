"""The analytics page: labels, probabilities, latency and accuracy over time."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from clfsite.core.web.charts import Chart
from clfsite.core.web.numbers import percent
from clfsite.core.web.staff import StaffRequest, staff
from predictions.monitoring import analytics, counts, quality
from predictions.monitoring import charts as traffic_charts
from predictions.monitoring.analytics import Report
from predictions.monitoring.forms import AnalyticsForm
from training.models import Version
from training.versions.charts import confusion


@staff()
@require_safe
def analytics_page(request: StaffRequest) -> HttpResponse:
    """Charts of a classifier's versions in a period, or advice if there are no predictions."""
    counts.bring_up_to_date()
    form = AnalyticsForm(request.GET)
    context: dict[str, Any] = {"form": form}
    if form.chosen:
        versions, now = form.versions, timezone.now()
        period, end = form.shown(now)
        report = analytics.report(versions, period, end)
        context |= {"report": report, "versions": versions, "period": period}
        if report.total:
            context |= _figures(versions, report) | {"dropped": _dropped(versions, now)}
    return render(request, "predictions/monitoring/analytics.html", context)


def _dropped(versions: list[Version], now: datetime) -> str:
    """The warning for the active version, if it is shown and its accuracy has dropped."""
    for version in versions:
        if version.active:  # type: ignore[attr-defined]
            score = quality.lately(quality.trained([version]), now)[version.pk]
            return score.beside if score.has_dropped else ""
    return ""


def _figures(versions: list[Version], report: Report) -> dict[str, Any]:
    """The numbers and charts of all predictions."""
    used = [version for version in versions if any(report.by_version[version.pk])]
    named = {str(version): report.by_version[version.pk] for version in reversed(used)}
    expected = analytics.expected_labels(report)
    distance = analytics.moved(expected, report.labels)
    buckets = report.buckets
    return {
        "median": counts.quantile(buckets, 0.5),
        "p99": counts.quantile(buckets, 0.99),
        "distance": distance,
        "is_moved": analytics.mix_has_moved(report, expected),
        "charts": [
            traffic_charts.volume("volume-version", "Predictions by version", report.steps, named),
            traffic_charts.volume("volume-label", "Predictions by label", report.steps, report.by_label),
            traffic_charts.against_training(expected, report.labels, _mix_note(distance)),
            _probability(used, report),
            _latency(report),
            *_judged(used, report),
        ],
    }


def _mix_note(distance: float | None) -> str:
    if distance is None:
        return ""
    return f"{percent(distance)} of predictions would have to change label to match the training mix."


def _probability(used: list[Version], report: Report) -> Chart:
    contracts = [version.contract for version in used]
    positive = contracts[0].positive
    meaning = {(contract.classes, contract.positive) for contract in contracts}
    if positive and len(meaning) == 1:
        tenths = analytics.positive_tenths(positive, report.deciles)
        place = used[0].contract.classes.index(positive)
        return traffic_charts.tenths(tenths, positive, analytics.held_out_tenths(used[0]), place)
    summed = [sum(column) for column in zip(*report.deciles.values(), strict=True)]
    return traffic_charts.tenths(summed, "the label")


def _latency(report: Report) -> Chart:
    titles = {0.5: "median", 0.9: "90 %", 0.99: "99 %"}
    lines = {
        title: [counts.quantile(buckets, share) for buckets in report.latency]
        for share, title in titles.items()
    }
    return traffic_charts.latency(report.steps, lines)


def _judged(used: list[Version], report: Report) -> list[Chart]:
    """Accuracy over time, and the confusion of each version that has feedback, the newest first."""
    known = [quality for quality in report.qualities if quality.judged]
    if not known:
        return []
    judged = {str(quality.version): report.judged[quality.version.pk] for quality in reversed(known)}
    held_out = {str(quality.version): quality.held_out for quality in known}
    matrices: list[Chart] = [
        {
            **confusion(
                quality.confusion,
                quality.classes,
                name=f"confusion-{quality.version.pk}",
                title=f"Confusion matrix of {quality.version}",
            ),
            "note": "Predictions with feedback, by actual and predicted class, with the share of the actual "
            "class.",
        }
        for quality in known[:2]
    ]
    return [traffic_charts.accuracy(report.steps, judged, held_out), *matrices]
