"""Inspections: what samples of the log tell of a version, stored by a worker and shown by page and API."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from predictions.alerts import rules
from predictions.alerts.models import Alert
from predictions.feedback.service import give_feedback
from predictions.models import ApiKey, Feedback, HourlyCount, Prediction
from predictions.monitoring.counts import collect
from predictions.monitoring.inspection import sample, service
from predictions.monitoring.inspection.look import look
from predictions.monitoring.inspection.models import Inspection
from predictions.serving.live_models import live_models
from predictions.serving.predict import Query, predict
from tests.support.factories import ApiKeyFactory, trained_version
from tests.support.portal import staff_client
from training.models import Version

pytestmark = [pytest.mark.dialect, pytest.mark.django_db]

PLANS = ("basic", "plus", "pro")


@pytest.fixture
def version() -> Version:
    """A version with 600 predictions, of which those of the plan `pro` are mostly wrong; `plan` is protected."""
    version = trained_version(classifier="churn", activate=True, default=True)
    Version.objects.filter(pk=version.pk).update(
        contract_data={**version.contract_data, "protected": ["plan"]}
    )
    live_models.forget()
    random = np.random.default_rng(0)
    records = [
        {
            "spend": round(float(random.normal(100, 20)), 2),
            "tenure": int(random.integers(1, 72)),
            "member": bool(place % 2),
            "plan": PLANS[place % 3],
        }
        for place in range(600)
    ]
    predict(Query(live_models.get(), records, Prediction.Source.API, "tests"), lambda answer: answer)
    collect()
    rows = list(Prediction.objects.all())
    assert len(rows) == 600
    Feedback.objects.bulk_create(
        Feedback(
            prediction=row,
            label=row.label if row.features["plan"] != "pro" else "no" if row.label == "yes" else "yes",
            source=Feedback.Source.API,
            actor="tests",
        )
        for row in rows[:450]
    )
    give_feedback(prediction_id=rows[450].pk, label="yes", actor="tests", source=Feedback.Source.API)
    return Version.objects.select_related("classifier", "run__dataset").get(pk=version.pk)


def ask(client: Client) -> Any:
    key = "clf_secret-of-inspections"
    if not ApiKey.objects.exists():
        ApiKeyFactory.create(secret=key, scopes=("read",))
    url = reverse("api:classifier-monitoring", args=["churn"])
    return client.get(url, headers={"Authorization": f"Bearer {key}"}).json()


def test_segments_and_groups_are_judged_by_their_feedback(client: Client, version: Version) -> None:
    assert service.inspect_all() == {"versions": 1}
    answer = ask(client)
    first = answer["segments"][0]
    assert (first["column"], first["group"], first["worse"]) == ("plan", "pro", True)
    assert first["accuracy"]["value"] < 0.05
    assert first["accuracy"]["rows"] in {150, 151}
    (plan,) = answer["protected"]
    groups = {group["group"]: group for group in plan["groups"]}
    assert set(groups) == set(PLANS)
    assert {group["predictions"] for group in groups.values()} == {200}
    for group in groups.values():
        assert sum(rate["value"] for rate in group["rates"].values()) == pytest.approx(1)
    assert groups["pro"]["recall"]["value"] < 0.05
    assert groups["plus"]["recall"]["value"] > 0.95
    assert answer["whole_table"]["roc_auc"]["rows"] == 660
    assert answer["judged"]["roc_auc"]["rows"] == 451
    assert answer["inspected_at"]
    page = staff_client().get(reverse("predictions:monitoring")).content.decode()
    for text in ("worse than the others", "Groups of plan", "All inputs together", "Least accurate segments"):
        assert text in page


def test_scores_over_time_are_the_counts_of_the_feedback(version: Version) -> None:
    looked = look(version)
    # the others of the fixture were not counted, because they were written past the service
    assert looked.feedback == 1
    assert next(iter(looked.days.values()))[0] == 1
    assert (looked.inspected_at, looked.findings) == (None, {})


def test_a_sample_is_drawn_from_all_predictions_of_the_window(version: Version) -> None:
    now = timezone.now()
    drawn = sample.at_random(version, now - timedelta(days=7), now, 100)
    assert 50 < len(drawn) < 160
    assert len(sample.at_random(version, now - timedelta(days=7), now, 1_000)) == 600
    assert sample.at_random(version, now - timedelta(days=9), now - timedelta(days=2), 100) == []
    assert len(sample.with_truth(version, now - timedelta(days=7), 20)) == 20


def test_rows_that_differ_for_a_day_open_an_alert(version: Version) -> None:
    service.inspect(version)
    found = {"differs": True, "roc_auc": {"value": 0.8}, "p": 0.0, "columns": ["spend", "plan"]}
    inspections = Inspection.objects.filter(version=version)
    now = timezone.now()
    findings = {**inspections.get().findings, "whole_table": found}
    for hours, is_open in ((5, False), (25, True)):
        inspections.update(findings=findings, made_at=now, differs_since=now - timedelta(hours=hours))
        rules.look_at(version)
        assert Alert.objects.open().filter(rule="whole_table").exists() is is_open
    assert "most of all by spend, plan" in Alert.objects.get(rule="whole_table").message


def test_whole_rows_of_less_than_a_week_are_not_said_to_differ(version: Version) -> None:
    """The days of a week that are missing may be all that differs."""
    differs, now = [], timezone.now()
    rows = [
        row._replace(features={**row.features, "spend": 500.0, "tenure": 900})
        for row in sample.at_random(version, now - timedelta(days=1), now, 1_000)
    ]
    for _ in range(2):
        differs.append(service._whole_table(version, version.contract, rows, timezone.now()))
        HourlyCount.objects.update(hour=timezone.now() - timedelta(days=8))
    assert [found and found["differs"] for found in differs] == [False, True]
