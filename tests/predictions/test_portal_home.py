"""The portal's first page."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from predictions import live
from predictions.models import first_id, new_id
from tests.factories import (
    ActivationFactory,
    ClassifierFactory,
    DatasetFactory,
    PredictionFactory,
    RunFactory,
    tiny,
)
from tests.portal import staff_client
from training.errors import Unavailable
from training.models import Version

HOME = reverse("predictions:home")


def page(*permissions: str) -> str:
    response = staff_client(*permissions).get(HOME)
    assert response.status_code == 200
    return response.content.decode()


def test_a_new_site_leads_a_trainer_to_the_first_table(db: None) -> None:
    shown = page("training.add_run", "training.add_dataset")
    assert "Nothing is trained yet" in shown
    assert f'href="{reverse("training:dataset-list")}">Upload a table' in shown


def test_a_site_with_a_table_leads_a_trainer_to_the_first_run(db: None) -> None:
    DatasetFactory.create()
    assert f'href="{reverse("training:run-create")}">Start a run' in page("training.add_run")


def test_someone_who_may_not_train_is_told_who_has_to(db: None) -> None:
    shown = page()
    assert "Someone who may train has to start the first run" in shown
    assert "Upload a table" not in shown


def test_the_active_version_stands_with_its_held_out_metrics(version: Version) -> None:
    shown = page()
    assert reverse("training:version-detail", args=[version.pk]) in shown
    metrics = tiny().trained.held_out.metrics
    assert f"{metrics['roc_auc']:.3f}" in shown
    assert f"{100 * metrics['accuracy']:.1f}" in shown


def test_a_classifier_without_active_version_is_named(version: Version) -> None:
    ClassifierFactory.create(name="unborn")
    shown = page()
    assert "unborn" in shown
    assert "None: activate a version" in shown


def test_predictions_of_the_last_day_are_counted_and_older_ones_are_not(version: Version) -> None:
    PredictionFactory.create_batch(3, version=version)
    old = first_id(timezone.now() - timedelta(hours=25))
    PredictionFactory.create(version=version, id=old)
    assert staff_client().get(HOME).context["day_count"] == 3


def test_the_smallest_id_of_a_moment_comes_before_every_id_made_since() -> None:
    before = first_id(timezone.now() - timedelta(milliseconds=1))
    assert before < new_id() < first_id(timezone.now() + timedelta(milliseconds=1))


def test_what_is_wrong_is_said(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise Unavailable("the artifact's SHA-256 is another")

    monkeypatch.setattr(live.models, "get", broken)
    shown = page()
    assert "Not ready to answer" in shown
    assert "The artifact&#x27;s SHA-256 is another" in shown


def test_actions_are_shown_to_those_who_may_take_them(version: Version) -> None:
    predict = f'href="{reverse("predictions:predict")}?model=churn"'
    assert predict not in page()
    client = staff_client("predictions.add_prediction", username="grace")
    assert predict in client.get(HOME).content.decode()


def test_more_of_everything_takes_no_more_queries(
    version: Version, django_assert_max_num_queries: Any
) -> None:
    ActivationFactory.create_batch(5)
    RunFactory.create_batch(3)
    PredictionFactory.create_batch(15, version=version)
    live.models.get()
    client = staff_client()
    with django_assert_max_num_queries(15):
        assert len(client.get(HOME).context["latest"]) == 10
