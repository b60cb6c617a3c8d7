"""Accuracy where a threshold or costs were changed: every place compares labels with held-out rows labelled in the same way."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from clfsite.core.web.numbers import percent
from predictions.alerts import rules
from predictions.alerts.models import Alert
from predictions.home import overview
from predictions.models import FeedbackCount
from predictions.monitoring import gauges
from predictions.report import facts as report_facts
from predictions.report.chapters.monitoring import monitoring
from tests.support.counted import serve
from tests.support.factories import ActivationFactory, ApiKeyFactory, PredictionFactory, VersionFactory
from tests.support.portal import staff_client
from training.models import Version
from training.versions.decisions import decided

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]

DAY = timedelta(days=1)
COSTS = {
    "unit": "",
    "mistakes": {"a": {"b": 1, "c": 1}, "b": {"a": 50, "c": 50}, "c": {"a": 1, "b": 1}},
}


def of_two(*, is_first: bool = False) -> Version:
    """A version of churn, 80 % correct at its threshold, and at one of 1, where every label is `no`, 60 %."""
    version = VersionFactory.create(classifier__name="churn")
    confusion = [[500, 100], [100, 300]]
    version.held_out |= {
        "rows": 1_000,
        "confusion": [row[::-1] for row in confusion[::-1]] if is_first else confusion,
        "curves": {"roc": [{"x": [0, 1 / 6, 1], "y": [0, 0.75, 1], "thresholds": [1, 0.5, 0]}]},
    }
    version.held_out["metrics"]["accuracy"] = 0.8
    if is_first:
        version.contract_data["classes"] = ["yes", "no"]
    version.save()
    return version


def changed(version: Version, **decision: Any) -> Version:
    """Activate a version as it was trained, and let it decide otherwise since five days."""
    ActivationFactory.create(version=version, created_at=timezone.now() - 60 * DAY)
    ActivationFactory.create(version=version, created_at=timezone.now() - 5 * DAY, **decision)
    return version


def judged(version: Version, at: datetime, cells: Mapping[tuple[str, str], int]) -> None:
    """Count feedback by predicted and true label."""
    classes = version.contract.classes
    for (predicted, truth), rows in cells.items():
        FeedbackCount.objects.create(
            version=version,
            hour=at,
            predicted=classes.index(predicted),
            truth=classes.index(truth),
            predictions=rows,
        )


def compared_with(version: Version) -> dict[str, float]:
    """The accuracy on held-out rows that each place shows."""
    gauges.forget()
    (glance,) = overview.glances(timezone.now())
    name = 'clfsite_held_out_metric{classifier="churn",metric="accuracy",version="1"} '
    (exposed,) = (line for line in gauges.exposition().decode().splitlines() if line.startswith(name))
    client = staff_client()
    (row,) = client.get("/portal/feedback").context["qualities"]
    charts = client.get("/portal/analytics?period=30d").context["charts"]
    (line,) = (chart for chart in charts if chart["id"] == "accuracy")
    ApiKeyFactory.create(secret="clf_reader", scopes=("read",))
    reader = Client(headers={"authorization": "Bearer clf_reader"})
    (live,) = reader.get("/api/classifiers/churn/live").json()["versions"]
    facts = report_facts.collect(version)
    return {
        "home": glance.score.held_out or 0.0,
        "gauge": float(exposed.removeprefix(name)),
        "feedback": row.held_out,
        "analytics": line["figure"]["data"][1]["y"][0],
        "API": live["held_out_accuracy"],
        "report": facts.monitoring.quality.held_out,
        "monitoring": facts.monitoring.evaluation.accuracy.held_out,
    }


@pytest.mark.parametrize("is_first", [True, False], ids=["positive class first", "positive class last"])
def test_every_place_compares_with_the_threshold_in_force(is_first: bool) -> None:
    version = changed(of_two(is_first=is_first), threshold=1.0)
    now = timezone.now()
    # before the change nearly all were correct, and after it as many as are expected
    judged(version, now - 9 * DAY, {("yes", "yes"): 990, ("yes", "no"): 10})
    judged(version, now - 3 * DAY, {("no", "no"): 600, ("no", "yes"): 400})
    PredictionFactory.create(version=version, label="no")
    serve(version, now, 1_000)
    shown = compared_with(version)
    assert shown == dict.fromkeys(shown, pytest.approx(0.6))
    (glance,) = overview.glances(now)
    assert (glance.score.judged, glance.score.correct) == (1_000, 600)
    client = staff_client(username="grace")
    for page in ("/portal/", "/portal/feedback", "/portal/analytics?period=30d"):
        text = client.get(page, follow=True).content.decode()
        assert percent(0.6) in text
        assert "dropped" not in text
    assert "has dropped" not in str(monitoring(report_facts.collect(version)).blocks)
    rules.look_at(version)
    assert not Alert.objects.filter(rule="accuracy").exists()


def test_a_drop_under_the_threshold_in_force_is_told_everywhere() -> None:
    version = changed(of_two(), threshold=1.0)
    now = timezone.now()
    judged(version, now - 9 * DAY, {("yes", "yes"): 9_000})
    judged(version, now - 3 * DAY, {("no", "no"): 300, ("no", "yes"): 700})
    PredictionFactory.create(version=version, label="no")
    gauges.forget()
    assert 'clfsite_live_accuracy_dropped{classifier="churn",version="1"} 1.0' in (
        gauges.exposition().decode()
    )
    client = staff_client()
    for page, words in (
        ("/portal/", "less accurate than at training"),
        ("/portal/feedback", ">dropped<"),
        ("/portal/analytics", "Accuracy has dropped"),
    ):
        assert words in client.get(page, follow=True).content.decode()
    (told, *_) = monitoring(report_facts.collect(version)).blocks
    assert f"{percent(0.3)} of 1,000 predictions with feedback since " in str(told.text)  # type: ignore[union-attr]
    rules.look_at(version)
    assert Alert.objects.get(rule="accuracy").message.startswith(
        f"{percent(0.3)} of 1,000 predictions with feedback since "
    )


def test_a_label_that_the_threshold_in_force_rules_out_is_not_missed() -> None:
    version = changed(of_two(), threshold=1.0)
    serve(version, timezone.now(), 1_000, labels={"yes": "no"})
    found = report_facts.collect(version).monitoring.evaluation
    assert found.quality.never_given == ()
    assert dict(zip(found.label_mix.groups, found.label_mix.then, strict=True)) == {"no": 1, "yes": 0}


def test_a_threshold_that_was_taken_back_counts_since_then() -> None:
    version = changed(of_two(), threshold=1.0)
    ActivationFactory.create(version=version, created_at=timezone.now() - DAY)
    found = decided([version.pk])[version.pk]
    assert (found.as_trained, found.accuracy) == (True, version.metrics["accuracy"])
    assert found.since == version.activations.get(number=3).created_at


def test_an_activation_without_a_change_is_no_decision() -> None:
    version = VersionFactory.create()
    ActivationFactory.create_batch(2, version=version)
    ActivationFactory.create(version=version, threshold=version.threshold)
    assert decided([version.pk]) == {}


def test_costs_of_many_classes_label_a_sample_again() -> None:
    version = VersionFactory.create(
        threshold=None,
        out_of_fold={
            "trade_off": {
                "truth": [0, 1, 2, 0],
                "proba": [[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.9, 0.01, 0.09]],
            }
        },
    )
    version.contract_data |= {"classes": ["a", "b", "c"], "positive": None}
    version.save()
    found = decided([changed(version, costs_data=COSTS).pk])[version.pk]
    # a mistake about b costs so much that it is the label of all rows but the last
    assert found.confusion == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    assert found.accuracy == 0.5
